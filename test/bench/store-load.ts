import { pods } from "../../core/kinds/index.ts";
import { createStore } from "../../core/store/create-store.ts";
import { RowMaker } from "../../core/store/row-maker.test-support.ts";

/** What the core bench follows of a pod. */
export const BENCH_PODS = pods.select(
  "labels",
  "owners",
  "phase",
  "podIP",
  "podIPs",
  "hostIP",
  "nodeName",
  "ready",
  "containers.name",
  "containers.image",
);

/** A store with pods such as a busy cluster has, and a way to update them. */
export function loadedStore(count: number) {
  const store = createStore({ plans: [BENCH_PODS.plan()] });
  const writer = store.writer();
  const kind = writer.open(BENCH_PODS.plan());
  const maker = new RowMaker(kind.plan, kind.interner);
  const nodes = Math.max(10, Math.floor(count / 77));
  const keys: string[] = [];
  let version = 1_000_000;
  const row = (i: number) => {
    const app = Math.floor(i / 3);
    const ip = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
    const hash = (Math.imul(app + 7, 0x9e3779b1) >>> 0).toString(16).padStart(8, "0");
    return maker.make({
      namespace: `team-${i % 60}`,
      name: `app-${app}-${hash}-${(i * 7919).toString(36).padStart(5, "0")}`,
      uid: `${hash}-0000-4000-8000-${i.toString(16).padStart(12, "0")}`,
      resourceVersion: String(++version),
      created: 1_767_225_600 + i,
      fields: {
        phase: "Running",
        podIP: ip,
        podIPs: [{ ip }],
        hostIP: `192.168.${(i % nodes) >> 8}.${(i % nodes) & 255}`,
        nodeName: `node-${i % nodes}`,
        ready: version % 9 === 0 ? "False" : "True",
        labels: { app: `app-${app}`, "pod-template-hash": hash, tier: `tier-${i % 4}` },
        owners: [
          {
            apiVersion: "apps/v1",
            kind: "ReplicaSet",
            name: `app-${app}-${hash}`,
            uid: `${hash}-1111-4000-8000-00000000${hash.slice(0, 4)}`,
            controller: true,
          },
        ],
        containers: [{ name: "main", image: `registry.example.org/app-${app % 200}:1.${app % 9}` }],
      },
    });
  };
  for (let i = 0; i < count; i++) {
    const made = row(i);
    kind.put(made);
    if (i % 500 === 499) {
      writer.commit();
    }
  }
  writer.commit();
  store.reader().read((view) => {
    for (const pod of view.kind("pods")) {
      keys.push((pod as unknown as { readonly key: string }).key);
    }
  });
  return { store, writer, kind, keys, row };
}
