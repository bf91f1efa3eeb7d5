import type { ChangeBatch, ObjectReference } from "../../core/api/index.ts";
import type { InventoryModel, OwnerReference } from "./model.ts";
import type { Labels } from "./service-links.ts";

/** Metadata of every view. */
interface Meta {
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid: string };
}
interface Owned {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly ownerReferences: readonly OwnerReference[];
  };
}
interface PodView extends Owned {
  readonly metadata: Owned["metadata"] & { readonly labels: Labels };
  readonly spec: { readonly nodeName: string | undefined };
  readonly status: { readonly phase: string | undefined };
  /** Status of the condition "Ready". */
  readonly ready: string | undefined;
}
interface NodeView extends Meta {
  readonly spec: { readonly unschedulable: boolean };
  readonly ready: string | undefined;
}
interface NamespaceView extends Meta {
  readonly status: { readonly phase: string | undefined };
}
interface ServiceView extends Meta {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly spec: { readonly type: string | undefined; readonly selector: Labels };
}
interface SliceView extends Meta {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels: Labels;
  };
  readonly endpoints: readonly { readonly targetRef: { readonly uid: string | undefined } }[];
}

/** Takes in one batch of changes of one kind. */
type Take<View> = (batch: ChangeBatch<View>) => void;

/** From views of the store to calls of the model: one function for each kind. */
export interface Feed {
  readonly pods: Take<PodView>;
  readonly nodes: Take<NodeView>;
  readonly namespaces: Take<NamespaceView>;
  readonly services: Take<ServiceView>;
  readonly endpointslices: Take<SliceView>;
  readonly owners: (type: Pick<ObjectReference, "apiVersion" | "kind">) => Take<Owned>;
}

/** The feed of a model. */
export function feedOf(model: InventoryModel): Feed {
  return {
    pods: taking(
      ({ metadata, spec, status, ready }) =>
        model.putPod(metadata, {
          owners: metadata.ownerReferences,
          labels: metadata.labels,
          phase: status.phase,
          isReady: ready === "True",
          nodeName: spec.nodeName,
        }),
      (pod) => model.removePod(pod.metadata.uid),
    ),
    nodes: taking(
      (node) =>
        model.putNode(node.metadata.name, {
          isReady: node.ready === "True",
          isUnschedulable: node.spec.unschedulable,
        }),
      (node) => model.removeNode(node.metadata.name),
    ),
    namespaces: taking(
      (namespace) => model.putNamespace(namespace.metadata.name, namespace.status.phase),
      (namespace) => model.removeNamespace(namespace.metadata.name),
    ),
    services: taking(
      (service) => model.putService(service.metadata, service.spec),
      (service) => model.removeService(service.metadata),
    ),
    endpointslices: taking(
      (slice) => {
        const uids = slice.endpoints.flatMap(({ targetRef }) => targetRef.uid ?? []);
        model.putSlice(slice.metadata, slice.metadata.labels["kubernetes.io/service-name"], uids);
      },
      (slice) => model.putSlice(slice.metadata, undefined, []),
    ),
    owners: (type) =>
      taking(
        ({ metadata }) => model.putOwner(type, metadata, metadata.ownerReferences),
        (object) => model.removeOwner(object.metadata.uid),
      ),
  };
}

/**
 * An object that was replaced under its name comes as a deletion and an addition, in either order; therefore nothing is
 * removed by name that was put again after it.
 */
function taking<View>(put: (view: View) => void, remove: (view: View) => void): Take<View> {
  return (batch) => {
    for (const change of batch) {
      if (change.op === "deleted") {
        remove(change.old);
      }
    }
    for (const change of batch) {
      if (change.op !== "deleted") {
        put(change.new);
      }
    }
  };
}
