import type { InventoryModel } from "./model.ts";
import * as queries from "./queries.ts";
import { checked, Requests } from "./requests.ts";

/** Handlers of the service "inventory". Answers are plain data; undefined means that there is no such thing. */
export function inventoryHandlers(model: InventoryModel, pods: queries.PodSource, pageSize: number) {
  const paged = <Given extends { readonly limit?: number }>(given: Given) => ({
    ...given,
    limit: given.limit ?? pageSize,
  });
  return {
    summary: (given: typeof Requests.none._input) => {
      checked("summary", Requests.none, given);
      return queries.summary(model);
    },
    workloads: (given: typeof Requests.workloads._input) =>
      queries.workloads(model, paged(checked("workloads", Requests.workloads, given))),
    workload: (given: typeof Requests.workload._input) =>
      queries.workload(model, pods, checked("workload", Requests.workload, given)),
    pods: (given: typeof Requests.pods._input) => {
      const which = paged(checked("pods", Requests.pods, given));
      return "node" in which ? queries.podsOn(pods, which) : queries.podsOf(model, pods, which);
    },
    root: (given: typeof Requests.pod._input) => queries.chainOf(model, pods, checked("root", Requests.pod, given)),
    nodes: (given: typeof Requests.places._input) =>
      queries.nodes(model, paged(checked("nodes", Requests.places, given))),
    node: (given: typeof Requests.node._input) => queries.node(model, pods, checked("node", Requests.node, given).name),
    namespaces: (given: typeof Requests.places._input) =>
      queries.namespaces(model, paged(checked("namespaces", Requests.places, given))),
    services: (given: typeof Requests.services._input) =>
      queries.services(model, paged(checked("services", Requests.services, given))),
    service: (given: typeof Requests.service._input) => {
      const { namespace, name } = checked("service", Requests.service, given);
      return queries.service(model, namespace, name);
    },
  };
}

/** The service as other plugins use it: `services.use<InventoryHandlers>("inventory")`. */
export type InventoryHandlers = ReturnType<typeof inventoryHandlers>;
