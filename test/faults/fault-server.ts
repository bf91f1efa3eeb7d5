import type { ClusterAccess } from "../../core/kube/access.ts";
import { type ApiServer, createApiServer } from "../../core/testing/api-server.ts";
import { type TestCertificates, testCertificates } from "../../core/testing/certificates.ts";
import { HASTE, type Protocol } from "./fault-world.ts";

let certificates: Promise<TestCertificates> | undefined;

/** A server for one case, and how to reach it: bookmarks at the pace of the tests, and TLS for HTTP/2. */
export async function startFaultServer(protocol: Protocol): Promise<{ server: ApiServer; access: ClusterAccess }> {
  if (protocol === "h2") {
    certificates ??= testCertificates();
  }
  const tls = protocol === "h2" ? await certificates : undefined;
  const server = await createApiServer({ tls, behaviour: { bookmarkPeriodMs: 60_000 / HASTE } });
  const access = { server: server.url, ca: tls?.caPem, insecureSkipTlsVerify: false, credentials: {}, origin: "test" };
  return { server, access };
}
