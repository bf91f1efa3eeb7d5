import assert from "node:assert/strict";
import { test } from "node:test";
import { deployments, nodes, pods } from "../core/kinds/index.ts";
import { type RbacRequest, rbacObjects } from "./rbac-objects.ts";

const request: RbacRequest = {
  name: "fairlead",
  namespace: "system",
  plugins: [
    {
      kinds: [pods, nodes],
      permissions: [
        { apiGroups: [""], resources: ["configmaps", "nodes/status"], verbs: ["patch"] },
        { apiGroups: ["example.org"], resources: ["widgets"], verbs: ["get"] },
      ],
    },
  ],
  kinds: [deployments],
  scope: {},
};

/** Kind, place, and rules as short text, of each object. */
function short(given: Partial<RbacRequest>): string[] {
  return rbacObjects({ ...request, ...given }).map(({ kind, metadata, rules = [] }) =>
    [
      `${kind} ${metadata.namespace ?? "-"}`,
      ...rules.map(({ apiGroups, resources, verbs }) => `${apiGroups.join()}/${resources.join()} ${verbs.join()}`),
    ].join("; "),
  );
}

const WATCH = "list,watch";

test("all namespaces: one ClusterRole with every rule once", () => {
  assert.deepEqual(short({}), [
    "ServiceAccount system",
    `ClusterRole -; /configmaps,nodes/status patch; /nodes,pods ${WATCH}; apps/deployments ${WATCH}; ` +
      "events.k8s.io/events create,patch; example.org/widgets get",
    "ClusterRoleBinding -",
  ]);
});

test("named namespaces: a Role in each, and a ClusterRole for what belongs to none", () => {
  const own = `; /configmaps patch; /pods ${WATCH}; apps/deployments ${WATCH}; events.k8s.io/events create,patch; example.org/widgets get`;
  assert.deepEqual(short({ scope: { allow: ["shop", "cart"], deny: ["cart"] } }), [
    "ServiceAccount system",
    `ClusterRole -; /nodes ${WATCH}; /nodes/status patch`,
    "ClusterRoleBinding -",
    `Role shop${own}`,
    "RoleBinding shop",
  ]);
});

test("named namespaces and nothing of the cluster: no ClusterRole", () => {
  const kinds = short({ plugins: [], scope: { allow: ["shop", "cart"] } });
  const role = `; apps/deployments ${WATCH}`;
  assert.deepEqual(kinds, [
    "ServiceAccount system",
    `Role shop${role}`,
    "RoleBinding shop",
    `Role cart${role}`,
    "RoleBinding cart",
  ]);
});

test("globs: namespaces must be seen too", () => {
  assert.ok(short({ scope: { allow: ["team-*"] } })[1].includes(`/namespaces,nodes,pods ${WATCH}`));
  assert.ok(!short({ scope: { deny: ["kube-system"] } })[1].includes("namespaces"));
  assert.ok(!short({ scope: { allow: ["team-*"] }, plugins: [], kinds: [nodes] })[1].includes("namespaces"));
});

test("an election: a Role of its own where the Lease is", () => {
  const lease = { namespace: "leases", name: "ours" };
  const objects = rbacObjects({ ...request, plugins: [], scope: { allow: ["leases"] }, lease });
  const role = objects.find(({ kind, metadata }) => kind === "Role" && metadata.name === "fairlead-leader-election");
  assert.deepEqual(role?.metadata.namespace, "leases");
  assert.deepEqual(role?.rules, [
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] },
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], resourceNames: ["ours"], verbs: ["get", "update"] },
    { apiGroups: ["events.k8s.io"], resources: ["events"], verbs: ["create"] },
  ]);
  const binding = objects.at(-1);
  assert.deepEqual(
    [binding?.kind, binding?.metadata.namespace, binding?.roleRef?.name],
    ["RoleBinding", "leases", "fairlead-leader-election"],
  );
});

test("shards: a Role of its own where their Leases are", () => {
  const objects = rbacObjects({ ...request, plugins: [], shardNamespace: "leases" });
  const role = objects.find(({ metadata }) => metadata.name === "fairlead-shards" && metadata.namespace === "leases");
  assert.deepEqual(role?.rules, [
    { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["get", "list", "create", "update", "delete"] },
  ]);
});

test("a binding leads from the service account to its role", () => {
  const [account, role, binding] = rbacObjects({
    ...request,
    plugins: [],
    scope: { allow: ["shop"] },
    name: "watcher",
  });
  assert.deepEqual(account.metadata, { name: "watcher", namespace: "system" });
  assert.deepEqual(role.metadata, { name: "watcher", namespace: "shop" });
  assert.deepEqual(binding, {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "watcher", namespace: "shop" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "watcher" },
    subjects: [{ kind: "ServiceAccount", name: "watcher", namespace: "system" }],
  });
});
