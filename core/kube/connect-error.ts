import { codeOf, FairleadError, messageOf } from "../errors.ts";

/** What was dialled, for messages. Holds no secret. */
export interface DialledPeer {
  readonly host: string;
  readonly port: number;
  /** Host and port of the proxy in between, if any. */
  readonly proxy?: string;
  /** Where the access came from. */
  readonly origin: string;
}

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there; check the server address and that the API server runs",
  ENOTFOUND: "the host name is unknown; check the server address and DNS",
  EAI_AGAIN: "the name server did not answer; check DNS",
  EHOSTUNREACH: "there is no route to the host; check the network, VPN or proxy",
  ENETUNREACH: "there is no route to the network; check the network, VPN or proxy",
  ETIMEDOUT: "the host did not answer; check the address, firewalls and the proxy",
  ECONNRESET: "the connection was cut while it was being made; check what listens there and what is in between",
  ECONNABORTED: "the connection was cut while it was being made",
  EPIPE: "the connection was cut while it was being made",
  EACCES: "this process may not open the connection",
  EPERM: "this process may not open the connection; check firewalls",
  EADDRNOTAVAIL: "no local address or port is free",
  ERR_ACCESS_DENIED: "this process runs without permission for the network",
};

const TLS_PROBLEMS: Readonly<Record<string, readonly [problem: string, advice: string]>> = {
  CERT_HAS_EXPIRED: ["the server's certificate has expired", "renew it on the server, or check this machine's clock"],
  CERT_NOT_YET_VALID: ["the server's certificate is not valid yet", "check the clocks of this machine and the server"],
  DEPTH_ZERO_SELF_SIGNED_CERT: [
    "the server's certificate is signed by itself and not trusted",
    "put the right CA into certificate-authority-data of the kubeconfig (caFile where only a server is given)",
  ],
  SELF_SIGNED_CERT_IN_CHAIN: [
    "the server's certificate comes from an unknown CA",
    "put the cluster's CA into certificate-authority-data of the kubeconfig (caFile where only a server is given)",
  ],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: [
    "the server's certificate comes from an unknown CA",
    "put the cluster's CA into certificate-authority-data of the kubeconfig (caFile where only a server is given)",
  ],
  UNABLE_TO_GET_ISSUER_CERT: [
    "the server's certificate comes from an unknown CA",
    "put the whole CA chain into certificate-authority-data of the kubeconfig (caFile where only a server is given)",
  ],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: [
    "the server's certificate comes from an unknown CA",
    "put the cluster's CA into certificate-authority-data of the kubeconfig (caFile where only a server is given)",
  ],
  CERT_SIGNATURE_FAILURE: [
    "the server's certificate was not signed by the given CA",
    "the CA was probably replaced: fetch the kubeconfig again",
  ],
  CERT_REVOKED: ["the server's certificate is revoked", "renew it on the server"],
  INVALID_CA: ["the given CA is not allowed to sign certificates", "fetch the kubeconfig again"],
  INVALID_PURPOSE: ["the certificate is not meant for a server", "check what listens at the address"],
};

/** Turns an error of dialling (name, socket, proxy, handshake) into KUBE_UNREACHABLE or KUBE_TLS with advice. */
export function connectError(error: unknown, peer: DialledPeer): FairleadError {
  if (error instanceof FairleadError) {
    return error;
  }
  const code = codeOf(error);
  const via = peer.proxy === undefined ? "" : ` through proxy ${peer.proxy}`;
  const where = `${peer.host}:${peer.port}${via}`;
  const facts = { host: peer.host, port: peer.port, proxy: peer.proxy, origin: peer.origin, reason: code };
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    const names = altNames(error);
    const message = `the certificate of ${where} is for other names${names === "" ? "" : ` (${names})`}; use one of them in the server address, or set tls-server-name of the kubeconfig (tlsServerName where only a server is given) (from ${peer.origin})`;
    return new FairleadError("KUBE_TLS", message, { cause: error, facts });
  }
  const problem = TLS_PROBLEMS[code] ?? alertProblem(code, messageOf(error));
  if (problem !== undefined) {
    const message = `no safe connection to ${where}: ${problem[0]}; ${problem[1]} (from ${peer.origin})`;
    return new FairleadError("KUBE_TLS", message, { cause: error, facts });
  }
  const advice = UNREACHABLE[code] ?? messageOf(error);
  return new FairleadError("KUBE_UNREACHABLE", `cannot reach ${where} (${code}): ${advice} (from ${peer.origin})`, {
    cause: error,
    facts,
  });
}

function altNames(error: unknown): string {
  if (typeof error !== "object" || error === null || !("cert" in error)) {
    return "";
  }
  const cert = error.cert;
  if (typeof cert !== "object" || cert === null || !("subjectaltname" in cert)) {
    return "";
  }
  return String(cert.subjectaltname).slice(0, 300);
}

/** Errors of the handshake itself, by OpenSSL's name. */
function alertProblem(code: string, message: string): readonly [string, string] | undefined {
  if (!code.startsWith("ERR_SSL_") && code !== "EPROTO") {
    return undefined;
  }
  const text = `${code} ${message}`.toLowerCase().replaceAll("_", " ");
  if (
    text.includes("wrong version number") ||
    text.includes("packet length too long") ||
    text.includes("http request")
  ) {
    return ["the other side does not speak TLS", "check the port, or use http:// if that is meant"];
  }
  if (text.includes("alert certificate expired")) {
    return ["the server says that our client certificate has expired", "fetch the kubeconfig again"];
  }
  if (text.includes("alert") && (text.includes("certificate") || text.includes("unknown ca"))) {
    return ["the server refuses our client certificate", "fetch the kubeconfig again"];
  }
  if (text.includes("unsupported protocol") || text.includes("protocol version")) {
    return ["the other side does not offer TLS 1.2 or later", "upgrade the server or what is in between"];
  }
  return [`the TLS handshake failed (${code})`, "check what listens at the address"];
}

/** The stream or connection broke after it had been made. */
export function resetError(what: string, cause?: unknown): FairleadError {
  return new FairleadError("KUBE_RESET", what, {
    cause,
    facts: cause === undefined ? {} : { reason: codeOf(cause) },
  });
}

const CLOSED = "CLOSED";

/** The caller closed the transport: asking again is of no use. */
export function closedError(): FairleadError {
  return new FairleadError("KUBE_RESET", "the transport was closed", { facts: { reason: CLOSED } });
}

/** Whether an error is `closedError`'s. */
export function isClosed(error: FairleadError): boolean {
  return error.code === "KUBE_RESET" && error.facts.reason === CLOSED;
}
