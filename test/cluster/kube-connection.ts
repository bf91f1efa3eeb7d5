import { createKubeClient, type KubeClient, type KubeClientOptions } from "../../core/kube/client.ts";
import { resolveCluster } from "../../core/kube/cluster-config.ts";
import { type ConnectOptions, connect, type HttpTransport } from "../../core/kube/http-transport.ts";

/** A client of core/kube with its connection; `await using` closes it. */
export interface KubeConnection extends AsyncDisposable {
  readonly client: KubeClient;
  readonly transport: HttpTransport;
}

/** Connects as a user would: from a kubeconfig. */
export async function openConnection(
  kubeconfig: string,
  how: ConnectOptions & KubeClientOptions = {},
): Promise<KubeConnection> {
  const transport = connect(await resolveCluster({ kubeconfig }), how);
  return {
    client: createKubeClient(transport, how),
    transport,
    [Symbol.asyncDispose]: () => transport.close(),
  };
}
