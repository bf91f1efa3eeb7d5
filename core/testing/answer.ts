import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "./clock.ts";
import { type Fault, faultOf } from "./faults.ts";
import type { Random } from "./random.ts";

/** What an answer needs beside the response. */
export interface AnswerContext {
  readonly response: ServerResponse | Http2ServerResponse;
  /** The TCP socket under it, for resets. */
  readonly socket: Socket | undefined;
  readonly faults: readonly Fault[];
  readonly clock: Clock;
  readonly random: Random;
}

/** The response to one request; faults of bytes happen here. */
export class Answer {
  status = 0;
  bytes = 0;
  #dead = false;
  #queue: Buffer[] = [];
  #ending = false;
  #trickling = false;
  #spoiled = false;
  readonly #context: AnswerContext;
  readonly #closed: (() => void)[] = [];
  #onHead: (status: number) => void = () => {};

  constructor(context: AnswerContext) {
    this.#context = context;
    context.response.on("close", () => this.#finish());
    context.response.on("error", () => this.#finish());
  }

  /** True when nothing can be sent any more. */
  get isOver(): boolean {
    return this.#dead;
  }

  /** Calls back when the head is sent. */
  onHead(callback: (status: number) => void): void {
    this.#onHead = callback;
  }

  /** Calls back once when the client went away or the answer is complete. */
  onClose(callback: () => void): void {
    if (this.#dead) {
      callback();
      return;
    }
    this.#closed.push(callback);
  }

  #finish(): void {
    if (this.#dead) {
      return;
    }
    this.#dead = true;
    for (const callback of this.#closed.splice(0)) {
      callback();
    }
  }

  /** Sends the head. */
  head(status: number, headers: OutgoingHttpHeaders): void {
    if (this.#dead || this.#context.response.headersSent) {
      return;
    }
    this.status = status;
    const lie = faultOf(this.#context.faults, "contentType");
    const all = lie ? { ...headers, "content-type": lie.value } : headers;
    const cut = this.#cutAfter() !== undefined || faultOf(this.#context.faults, "garbage") !== undefined;
    if (cut) {
      delete all["content-length"];
    }
    const reset = faultOf(this.#context.faults, "reset");
    if (reset?.afterBytes === 0) {
      this.#reset();
      return;
    }
    const { response } = this.#context;
    // Both kinds of response take a status and headers; their overloads do not unite.
    (response as ServerResponse).writeHead(status, all);
    (response as ServerResponse).flushHeaders();
    this.#onHead(status);
    this.#checkCut();
  }

  /** Sends bytes of the body. */
  write(chunk: Buffer): void {
    if (this.#dead || this.#ending) {
      return;
    }
    const slow = faultOf(this.#context.faults, "slow");
    if (slow) {
      this.#queue.push(chunk);
      this.#trickle(slow.bytes, slow.everyMs);
      return;
    }
    this.#send(chunk);
  }

  #trickle(bytes: number, everyMs: number): void {
    if (this.#trickling) {
      return;
    }
    this.#trickling = true;
    const turn = () => {
      const first = this.#queue.shift();
      if (first === undefined || this.#dead) {
        this.#trickling = false;
        if (this.#ending && !this.#dead) {
          this.#context.response.end();
        }
        return;
      }
      if (first.length > bytes) {
        this.#queue.unshift(first.subarray(bytes));
      }
      this.#send(first.subarray(0, bytes));
      const cancel = this.#context.clock.after(everyMs, turn);
      this.#closed.push(cancel);
    };
    turn();
  }

  #send(chunk: Buffer): void {
    const garbage = faultOf(this.#context.faults, "garbage");
    if (garbage && !this.#spoiled && this.bytes + chunk.length >= garbage.afterBytes) {
      this.#spoiled = true;
      const noise = Buffer.from(Array.from({ length: garbage.bytes }, () => this.#context.random.below(256)));
      const before = Math.max(0, garbage.afterBytes - this.bytes);
      this.#send(Buffer.concat([chunk.subarray(0, before), noise, chunk.subarray(before)]));
      return;
    }
    const cut = this.#cutAfter();
    const allowed = cut === undefined ? chunk.length : Math.min(chunk.length, Math.max(0, cut - this.bytes));
    this.bytes += allowed;
    if (cut !== undefined && this.bytes >= cut) {
      // What comes next is the cut, not a proper end.
      this.#ending = true;
    }
    if (allowed > 0) {
      const part = chunk.subarray(0, allowed);
      (this.#context.response as ServerResponse).write(part, () => this.#checkCut());
      return;
    }
    this.#checkCut();
  }

  #cutAfter(): number | undefined {
    const { faults } = this.#context;
    return (faultOf(faults, "reset") ?? faultOf(faults, "close") ?? faultOf(faults, "end"))?.afterBytes;
  }

  #checkCut(): void {
    const cut = this.#cutAfter();
    if (cut === undefined || this.bytes < cut || this.#dead) {
      return;
    }
    const { faults, response, socket } = this.#context;
    if (faultOf(faults, "reset")) {
      this.#reset();
    } else if (faultOf(faults, "close")) {
      socket?.end();
      this.#finish();
    } else {
      response.end();
      this.#finish();
    }
  }

  #reset(): void {
    this.#context.socket?.resetAndDestroy();
    this.#finish();
  }

  /** Ends the body properly. */
  end(): void {
    if (this.#dead || this.#ending) {
      return;
    }
    this.#ending = true;
    if (!this.#trickling) {
      this.#context.response.end();
    }
  }

  /** Sends a whole body. */
  complete(status: number, contentType: string, body: Buffer, headers: OutgoingHttpHeaders = {}): void {
    const silent = faultOf(this.#context.faults, "blackHole");
    this.head(status, { "content-type": contentType, "content-length": body.length, ...headers });
    if (silent) {
      return;
    }
    this.write(body);
    this.end();
  }
}
