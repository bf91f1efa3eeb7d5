import type { AddressInfo } from "node:net";
import { type ClusterService, createService } from "../../docs/examples/fastify-service/service.ts";

/** To the process of the service. */
export type ToService =
  /** Makes a new service that listens and follows nothing. */
  | { readonly kind: "listen"; readonly kubeconfig: string }
  /** Follows the cluster; answers when the caches are complete. */
  | { readonly kind: "follow" }
  | { readonly kind: "close" }
  | { readonly kind: "end" };

/** From the process of the service. */
export type FromService =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "followed"; readonly objects: number }
  | { readonly kind: "closed" };

let service: ClusterService | undefined;

function say(message: FromService): void {
  process.send?.(message);
}

async function obey(message: ToService): Promise<void> {
  switch (message.kind) {
    case "listen": {
      service = createService({ cluster: { kubeconfig: message.kubeconfig } });
      await service.app.listen({ host: "127.0.0.1", port: 0 });
      // address() is text only for pipes.
      say({ kind: "listening", port: (service.app.server.address() as AddressInfo).port });
      return;
    }
    case "follow":
      await service?.cluster.start();
      say({ kind: "followed", objects: service?.cluster.store.read((view) => view.pods.size) ?? 0 });
      return;
    case "close":
      await service?.app.close();
      say({ kind: "closed" });
      return;
    case "end":
      await service?.app.close();
      process.disconnect?.();
  }
}

// Only embed.ts talks on this channel, in these types. A command that fails ends the process, which embed.ts notices.
process.on("message", (message: ToService) => void obey(message));
