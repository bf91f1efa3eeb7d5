import type { KeyPair } from "./certificates.ts";

/** Who a kubeconfig logs in as. */
export type Identity =
  | { readonly kind: "certificate"; readonly pair: KeyPair }
  | { readonly kind: "token"; readonly token: string };

/** A kubeconfig with one cluster, user and context, as JSON (which is YAML). */
export function kubeconfigText(url: string, caPem: string, user: string, identity: Identity): string {
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const credentials =
    identity.kind === "token"
      ? { token: identity.token }
      : { "client-certificate-data": base64(identity.pair.certPem), "client-key-data": base64(identity.pair.keyPem) };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": base64(caPem) } }],
    users: [{ name: user, user: credentials }],
    contexts: [{ name: "test", context: { cluster: "test", user } }],
    "current-context": "test",
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
