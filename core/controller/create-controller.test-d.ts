import { pods, services } from "../kinds/index.ts";
import { createController } from "./create-controller.ts";

// The embedder's example: types come from the selection, whichever constant names the kind.
const controller = createController({ kinds: [pods.select("phase", "podIP", "labels"), services] });

controller.on(pods, (batch) => {
  for (const change of batch) {
    const key: string | undefined = (change.new ?? change.old)?.key;
    const phase: string | undefined = change.new?.status.phase;
    // @ts-expect-error nodeName was not selected
    const node: unknown = change.new?.spec.nodeName;
    void [key, phase, node];
  }
});

controller.store.read((view) => {
  const addresses: (string | undefined)[] = view.pods.byLabel("app", "cart").map((pod) => pod.status.podIP);
  const clusterAddress: string | undefined = view.services.get("shop", "cart")?.spec.clusterIP;
  // @ts-expect-error deployments are not followed
  void view.deployments;
  return [addresses.length, clusterAddress?.length];
});

// @ts-expect-error a read is synchronous
controller.store.read(async (view) => view.pods.size);
