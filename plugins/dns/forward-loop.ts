import { type PackedAnswer, packAnswer } from "./resolve-answer.ts";
import type { ResolveTimer } from "./resolve-clock.ts";
import { nameText, TYPE } from "./resolve-question.ts";
import type { Message } from "./resolve-records.ts";
import type { ResolverParts, Upstream } from "./upstream.ts";
import type { Ticket } from "./upstream-udp.ts";

/** Who is told about loops. */
export interface LoopListener {
  onLoop(upstream: string, zone: string): void;
  onEnd(upstream: string, zone: string): void;
}

const FIRST_PROBES_MS = 30_000;
const RETRY_MS = 2_000;
const AGAIN_MS = 60_000;
const SENTENCE = Buffer.from("\x08fairlead\x04loop", "latin1");

/**
 * Finds out whether what an upstream is asked comes back to us: it is asked for a name that nobody else knows, and whoever of
 * our threads is asked for such a name answers in a way that nobody else does. An upstream that loops is not used, and asked
 * again each minute whether it still does.
 */
export class LoopProbe {
  readonly #upstream: Upstream;
  readonly #zone: string;
  readonly #token: string;
  readonly #parts: ResolverParts;
  readonly #listener: LoopListener;
  readonly #startMs: number;
  #timer: ResolveTimer | undefined;
  #ticket: Ticket | undefined;
  #isClosed = false;

  /** `zone`: on the wire, what the upstream is asked about. `token`: 16 hex digits, the same in all threads. Starts at once. */
  constructor(upstream: Upstream, at: { zone: string; token: string }, parts: ResolverParts, listener: LoopListener) {
    this.#upstream = upstream;
    this.#zone = at.zone;
    this.#token = at.token;
    this.#parts = parts;
    this.#listener = listener;
    this.#startMs = parts.clock.now();
    this.#send();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#ticket?.end();
  }

  #send(): void {
    const name = probeName(this.#parts.random.hex(16), this.#token, this.#zone);
    const question = { name, type: TYPE.HINFO, dnssec: false, checkingDisabled: false };
    this.#ticket = this.#upstream.ask(question, (outcome) => {
      this.#ticket = undefined;
      this.#timer?.clear();
      this.#judge(outcome.kind === "message" ? isOurs(outcome.message) : undefined);
    });
    this.#timer = this.#parts.clock.setTimer(RETRY_MS, () => {
      this.#ticket?.end();
      this.#ticket = undefined;
      this.#judge(undefined);
    });
  }

  /** Undefined: no reply. */
  #judge(isLooping: boolean | undefined): void {
    if (this.#isClosed) {
      return;
    }
    const upstream = this.#upstream;
    if (isLooping === true && !upstream.isLooping) {
      upstream.isLooping = true;
      this.#parts.stats.upstreamLoops++;
      this.#listener.onLoop(upstream.text, nameText(this.#zone));
    }
    if (isLooping === false && upstream.isLooping) {
      upstream.isLooping = false;
      this.#listener.onEnd(upstream.text, nameText(this.#zone));
    }
    const isEarly = this.#parts.clock.now() - this.#startMs < FIRST_PROBES_MS;
    const delay = isLooping === undefined && isEarly ? RETRY_MS : AGAIN_MS;
    this.#timer = this.#parts.clock.setTimer(delay, () => this.#send());
  }
}

/** Whether a question (name on the wire, lower case) is a probe of ours. */
export function isProbe(name: string, type: number, token: string): boolean {
  return type === TYPE.HINFO && name.charCodeAt(0) === 16 && name.startsWith(`\x10${token}`, 17);
}

/** What only we answer to a probe. */
export function probeAnswer(name: string): PackedAnswer {
  const record = {
    owner: name,
    type: TYPE.HINFO,
    klass: 1,
    ttl: 0,
    head: SENTENCE,
    names: [],
    tail: new Uint8Array(0),
  };
  return packAnswer(name, TYPE.HINFO, { rcode: 0, answers: [record], authority: [], additional: [] });
}

function isOurs(message: Message): boolean {
  return message.answers.some((record) => record.type === TYPE.HINFO && SENTENCE.equals(record.head));
}

/** In the zone if that leaves room for it. */
function probeName(nonce: string, token: string, zone: string): string {
  const labels = `\x10${nonce}\x10${token}`;
  return labels.length + zone.length <= 255 ? labels + zone : `${labels}\0`;
}
