import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { FairleadError, messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";

/** The token that clients must send, given as text or as "file:/path". */
export class StatusToken {
  readonly #reference: string;
  readonly #log: Logger;
  #digest: Buffer | undefined;
  #lastFailure = "";

  constructor(reference: string, log: Logger) {
    this.#reference = reference;
    this.#log = log;
  }

  /** Reads it the first time. Throws STATUS_BAD_OPTION when there is none. */
  async load(): Promise<void> {
    try {
      this.#digest = digestOf(await this.#read());
    } catch (cause) {
      throw new FairleadError("STATUS_BAD_OPTION", `status.token cannot be used: ${messageOf(cause)}`, { cause });
    }
  }

  /** Reads it again; the old one stays when it cannot be read. Never rejects. */
  async refresh(): Promise<void> {
    try {
      this.#digest = digestOf(await this.#read());
      this.#lastFailure = "";
    } catch (error) {
      this.#lastFailure = warnOnce(this.#log, this.#lastFailure, error, "status token not read, the old one stays");
    }
  }

  /** True for "Bearer TOKEN"; takes the same time whatever is sent. */
  allows(authorization: string | undefined): boolean {
    const sent = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "";
    return this.#digest !== undefined && timingSafeEqual(digestOf(sent), this.#digest) && sent !== "";
  }

  async #read(): Promise<string> {
    const file = /^file:(.*)$/s.exec(this.#reference)?.[1];
    const text = (file === undefined ? this.#reference : await readFile(file, "utf8")).trim();
    if (!/^\S+$/.test(text)) {
      throw new Error(`${file === undefined ? "it" : `"${file}"`} ${text === "" ? "is empty" : "has spaces in it"}`);
    }
    return text;
  }
}

/** Certificate and key as PEM. */
interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Where certificate and key are, PEM. */
interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Certificate and key of the server, from files that somebody may renew. */
export class StatusCertificate {
  readonly #files: CertificateFiles;
  readonly #log: Logger;
  #pair: Pair = { cert: "", key: "" };
  #listener: (pair: Pair) => void = () => {};
  #lastFailure = "";

  constructor(files: CertificateFiles, log: Logger) {
    this.#files = files;
    this.#log = log;
  }

  get pair(): Pair {
    return this.#pair;
  }

  /** Called with each new pair. */
  onChange(listener: (pair: Pair) => void): void {
    this.#listener = listener;
  }

  /** Reads them the first time. Throws STATUS_BAD_OPTION when they cannot be used. */
  async load(): Promise<void> {
    try {
      this.#pair = await this.#read();
    } catch (cause) {
      throw new FairleadError("STATUS_BAD_OPTION", `status.tls cannot be used: ${messageOf(cause)}`, { cause });
    }
  }

  /** Reads them again; the old ones stay when the new ones cannot be used. Never rejects. */
  async refresh(): Promise<void> {
    try {
      const pair = await this.#read();
      if (pair.cert !== this.#pair.cert || pair.key !== this.#pair.key) {
        this.#listener(pair);
        this.#pair = pair;
        this.#log.info({ file: this.#files.certFile }, "status certificate renewed");
      }
      this.#lastFailure = "";
    } catch (error) {
      const message = "status certificate not read, the old one stays";
      this.#lastFailure = warnOnce(this.#log, this.#lastFailure, error, message);
    }
  }

  /** Checks too that the two belong together: halfway through a renewal they do not. */
  async #read(): Promise<Pair> {
    const { certFile, keyFile } = this.#files;
    const [cert, key] = await Promise.all([readFile(certFile, "utf8"), readFile(keyFile, "utf8")]);
    const reason = whyNotUsable({ cert, key }, this.#files);
    if (reason !== undefined) {
      throw new FairleadError("STATUS_BAD_OPTION", reason);
    }
    return { cert, key };
  }
}

/** Which of the two files is wrong, for who has to mend it: the words of OpenSSL name none. */
function whyNotUsable(pair: Pair, { certFile, keyFile }: CertificateFiles): string | undefined {
  const refusal = (part: Partial<Pair>): string | undefined => {
    try {
      createSecureContext(part);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  };
  const both = refusal(pair);
  if (both === undefined) {
    return undefined;
  }
  if (refusal({ cert: pair.cert }) !== undefined) {
    return `"${certFile}" holds no certificate in PEM that can be read (${both})`;
  }
  return refusal({ key: pair.key }) === undefined
    ? `"${keyFile}" is not the key of the certificate "${certFile}" (${both})`
    : `"${keyFile}" holds no key in PEM that can be read without a password (${both})`;
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** A file that stays unreadable is told of once, not at every look. Gives what was told. */
function warnOnce(log: Logger, before: string, error: unknown, message: string): string {
  const detail = messageOf(error);
  if (detail !== before) {
    log.warn({ detail }, message);
  }
  return detail;
}
