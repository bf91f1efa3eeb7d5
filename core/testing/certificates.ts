import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { codeOf, FairleadError } from "../errors.ts";

/** A certificate authority and a serving certificate for loopback, all PEM. */
export interface TestCertificates {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

const run = promisify(execFile);
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/**
 * Makes an own authority and a certificate for localhost and 127.0.0.1, valid for a day (or expired since yesterday), with
 * the openssl program. Throws TESTING_NO_OPENSSL where there is none.
 */
export async function testCertificates(options: { readonly expired?: boolean } = {}): Promise<TestCertificates> {
  const folder = await mkdtemp(join(tmpdir(), "fairlead-testing-"));
  const at = (name: string) => join(folder, name);
  const days = options.expired ? "-1" : "1";
  try {
    await run("openssl", [
      "req",
      "-x509",
      ...KEY,
      "-keyout",
      at("ca.key"),
      "-out",
      at("ca.pem"),
      "-days",
      "2",
      "-subj",
      "/CN=fairlead-testing",
    ]);
    await run("openssl", [
      "req",
      ...KEY,
      "-keyout",
      at("key.pem"),
      "-out",
      at("request.pem"),
      "-subj",
      "/CN=localhost",
    ]);
    await writeFile(at("extensions"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    await run("openssl", [
      ...["x509", "-req", "-in", at("request.pem"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial"],
      ...["-out", at("cert.pem"), "-days", days, "-extfile", at("extensions")],
    ]);
    const [caPem, certPem, keyPem] = await Promise.all(
      ["ca.pem", "cert.pem", "key.pem"].map((name) => readFile(at(name), "utf8")),
    );
    return { caPem, certPem, keyPem };
  } catch (error) {
    if (codeOf(error) === "ENOENT") {
      throw new FairleadError(
        "TESTING_NO_OPENSSL",
        "no certificates for the test server: the program openssl is not on the path; install it",
        {
          cause: error,
        },
      );
    }
    throw new FairleadError("TESTING_CERTIFICATES_FAILED", "openssl could not make certificates for the test server", {
      cause: error,
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
