import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** What a test needs of certificates, made by the openssl program. */
export interface Authority {
  readonly ca: string;
  /** For localhost and 127.0.0.1. */
  readonly server: Pair;
  /** For example.org only. */
  readonly elsewhere: Pair;
  /** Ended yesterday. */
  readonly expired: Pair;
  readonly client: Pair;
}

/** Makes a CA with server and client certificates. */
export function makeAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-pki-"));
  try {
    const run = (...args: string[]): void => {
      execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
    };
    const key = (name: string): void =>
      run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", `${name}.key`);
    key("ca");
    run("req", "-x509", "-key", "ca.key", "-subj", "/CN=test ca", "-days", "10", "-out", "ca.crt");
    writeFileSync(join(folder, "index.txt"), "");
    writeFileSync(
      join(folder, "ca.conf"),
      [
        "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\nrand_serial=yes",
        "unique_subject=no\ncopy_extensions=copy\n[any]\ncommonName=supplied",
      ].join("\n"),
    );
    const issue = (name: string, names: string, from: number, until: number): Pair => {
      key(name);
      run(
        "req",
        "-new",
        "-key",
        `${name}.key`,
        "-subj",
        `/CN=${name}`,
        "-addext",
        `subjectAltName=${names}`,
        "-out",
        `${name}.csr`,
      );
      const at = (days: number): string =>
        `${new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
      run(
        ...["ca", "-batch", "-config", "ca.conf", "-cert", "ca.crt", "-keyfile", "ca.key", "-notext"],
        ...["-in", `${name}.csr`, "-out", `${name}.crt`, "-startdate", at(from), "-enddate", at(until)],
      );
      return {
        cert: readFileSync(join(folder, `${name}.crt`), "utf8"),
        key: readFileSync(join(folder, `${name}.key`), "utf8"),
      };
    };
    const local = "DNS:localhost,IP:127.0.0.1";
    return {
      ca: readFileSync(join(folder, "ca.crt"), "utf8"),
      server: issue("server", local, -1, 5),
      elsewhere: issue("elsewhere", "DNS:example.org", -1, 5),
      expired: issue("expired", local, -5, -1),
      client: issue("client", "DNS:client", -1, 5),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
