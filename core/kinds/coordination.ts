import { integer, microTime, name, optionalInteger, text } from "./field.ts";
import { defineKind } from "./kind.ts";

/** Leases: leader election, node heartbeats, shard membership. */
export const leases = defineKind({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  plural: "leases",
  name: "leases",
  namespaced: true,
  fields: {
    holderIdentity: text("spec.holderIdentity"),
    leaseDurationSeconds: optionalInteger("spec.leaseDurationSeconds"),
    acquireTime: microTime("spec.acquireTime"),
    renewTime: microTime("spec.renewTime"),
    leaseTransitions: integer("spec.leaseTransitions"),
    strategy: name("spec.strategy"),
    preferredHolder: text("spec.preferredHolder"),
  },
  indexes: { labels: true, owner: true },
});
