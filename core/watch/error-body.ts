import type { ResponseHead } from "../kube/transport.ts";
import { decodeStatus, formatOf, type WireStatus } from "../wire/decoder.ts";
import { retryAfterMs } from "./backoff.ts";
import type { RefusalStatus } from "./reflector-state.ts";

/** Error bodies are read up to this size. */
const MAX_ERROR_BYTES = 64 * 1024;

/** Collects the body of an error response. */
export class ErrorBody {
  readonly #head: ResponseHead;
  readonly #wallNow: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(head: ResponseHead, wallNow: number) {
    this.#head = head;
    this.#wallNow = wallNow;
  }

  push(chunk: Buffer): void {
    if (this.#size < MAX_ERROR_BYTES) {
      this.#size += chunk.length;
      this.#chunks.push(chunk);
    }
  }

  status(): RefusalStatus {
    const { status, headers } = this.#head;
    const asked = retryAfterMs(headers["retry-after"], this.#wallNow);
    const body = Buffer.concat(this.#chunks);
    const known = decodeStatus(formatOf(headers["content-type"]) ?? "json", body);
    if (known !== undefined) {
      return refusalOf(known, status, asked);
    }
    const message = body.toString("utf8", 0, 200).trim();
    return { code: status, reason: "", message: message || `HTTP ${status}`, retryAfterMs: asked, causes: [] };
  }
}

/** A Status of the server as the machine wants it; `askedMs`: what `Retry-After` says. */
export function refusalOf(status: WireStatus, code: number, askedMs: number): RefusalStatus {
  return {
    code,
    reason: status.reason,
    message: status.message,
    retryAfterMs: Math.max(askedMs, status.retryAfterSeconds * 1000),
    causes: status.causes,
  };
}
