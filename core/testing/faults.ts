import { FairleadError } from "../errors.ts";

/** Which requests a fault hits. What is left out matches everything. */
export interface FaultMatch {
  /** The path without its query. */
  readonly path?: string | RegExp;
  readonly verb?: string | readonly string[];
  readonly userAgent?: RegExp;
  /** Text or pattern that the query must contain. */
  readonly query?: string | RegExp;
  /** Only from the nth matching request on, counted from 1. Default 1. */
  readonly nth?: number;
  /** How many requests are hit. Default: all. */
  readonly times?: number;
}

/** What goes wrong. Bytes are counted in the body of the response. */
export type Fault =
  /** An error instead of an answer. `body` replaces the Status. */
  | {
      readonly kind: "status";
      readonly code: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
      readonly body?: string;
      readonly contentType?: string;
    }
  /** TCP reset after so many bytes; 0 also swallows the head. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** The connection is closed (FIN) after so many bytes, without the proper end of the body. */
  | { readonly kind: "close"; readonly afterBytes: number }
  /** The body ends properly, but too early. */
  | { readonly kind: "end"; readonly afterBytes: number }
  /** The request is read and never answered. */
  | { readonly kind: "halfOpen" }
  /** The head and so many events go out, then nothing ever again, with the connection open. Lists: no byte of the body. */
  | { readonly kind: "blackHole"; readonly afterEvents?: number }
  /** The body trickles. */
  | { readonly kind: "slow"; readonly bytes: number; readonly everyMs: number }
  /** The answer begins late. */
  | { readonly kind: "delay"; readonly ms: number }
  /** After so many events, only the first bytes of the next one; then the body ends, or nothing more comes. */
  | {
      readonly kind: "tornFrame";
      readonly afterEvents: number;
      readonly bytes: number;
      readonly followedBy: "end" | "silence";
    }
  /** After so many events, a frame that claims (protobuf) or has (JSON) so many bytes. */
  | { readonly kind: "oversizeFrame"; readonly afterEvents: number; readonly bytes: number }
  /** After so many bytes, random ones; then the rest as it was. */
  | { readonly kind: "garbage"; readonly afterBytes: number; readonly bytes: number }
  /** The body is as it was, the header lies. */
  | { readonly kind: "contentType"; readonly value: string }
  /** After so many events, one with an object of another kind. */
  | { readonly kind: "wrongKind"; readonly afterEvents: number }
  /** A lagging replica: the answer is that of an older version (or of so many versions ago). */
  | { readonly kind: "stale"; readonly version?: number; readonly behind?: number }
  /** After so many events, an ERROR event with such a Status, then the end. */
  | {
      readonly kind: "errorEvent";
      readonly afterEvents: number;
      readonly code: number;
      readonly reason?: string;
      readonly message?: string;
    }
  /** The watch ends properly after so many events; 0 ends it at once. */
  | { readonly kind: "endWatch"; readonly afterEvents: number }
  /** HTTP/2: the session is told to go away; requests in flight are still served. HTTP/1.1: `connection: close`. */
  | { readonly kind: "goaway" }
  /** Every event is sent twice. */
  | { readonly kind: "duplicates" }
  /** No bookmarks; with `initialEnd` not even the one that ends the initial events. */
  | { readonly kind: "noBookmarks"; readonly initialEnd?: boolean };

/** A fault in place. */
export interface ActiveFault {
  /** How many requests it has hit. */
  readonly hits: number;
  /** Takes it out; requests that it hit already keep it. */
  remove(): void;
}

/** The scripted faults of a server. */
export interface Faults {
  /** Throws TESTING_BAD_FAULT for what is no fault. */
  add(rule: { readonly match?: FaultMatch; readonly fault: Fault }): ActiveFault;
  /** Takes out all of them. */
  clear(): void;
}

/** What a fault can be matched with. */
export interface FaultSubject {
  readonly path: string;
  readonly query: string;
  readonly verb: string;
  readonly userAgent: string;
}

class Rule implements ActiveFault {
  hits = 0;
  #seen = 0;
  readonly fault: Fault;
  readonly #match: FaultMatch;
  readonly #remove: (rule: Rule) => void;

  constructor(match: FaultMatch, fault: Fault, remove: (rule: Rule) => void) {
    this.#match = match;
    this.fault = fault;
    this.#remove = remove;
  }

  take(subject: FaultSubject): boolean {
    const { verb, nth = 1, times = Number.POSITIVE_INFINITY } = this.#match;
    const verbs = typeof verb === "string" ? [verb] : verb;
    const fits =
      textFits(this.#match.path, subject.path, false) &&
      textFits(this.#match.query, subject.query, true) &&
      textFits(this.#match.userAgent, subject.userAgent, false) &&
      (verbs === undefined || verbs.includes(subject.verb));
    if (!fits) {
      return false;
    }
    this.#seen++;
    if (this.#seen < nth || this.hits >= times) {
      return false;
    }
    this.hits++;
    return true;
  }

  remove(): void {
    this.#remove(this);
  }
}

function textFits(wanted: string | RegExp | undefined, text: string, part: boolean): boolean {
  if (wanted === undefined) {
    return true;
  }
  if (typeof wanted === "string") {
    return part ? text.includes(wanted) : text === wanted;
  }
  // A pattern with the g flag would remember where it stopped.
  wanted.lastIndex = 0;
  return wanted.test(text);
}

/** The faults in place, in the order in which they were added. */
export class FaultList implements Faults {
  #rules: Rule[] = [];

  add(rule: { readonly match?: FaultMatch; readonly fault: Fault }): ActiveFault {
    // Else the first request would fail for it, in the server.
    if (typeof rule?.fault?.kind !== "string") {
      throw new FairleadError(
        "TESTING_BAD_FAULT",
        'a fault is added as { fault: { kind: "…" } }, with `match` beside it',
      );
    }
    const made = new Rule(rule.match ?? {}, rule.fault, (gone) => {
      this.#rules = this.#rules.filter((other) => other !== gone);
    });
    this.#rules.push(made);
    return made;
  }

  clear(): void {
    this.#rules = [];
  }

  /** The faults that hit this request; they count it. */
  take(subject: FaultSubject): Fault[] {
    return this.#rules.filter((rule) => rule.take(subject)).map((rule) => rule.fault);
  }
}

/** The fault of that kind, if the request has it. */
export function faultOf<Kind extends Fault["kind"]>(
  faults: readonly Fault[],
  kind: Kind,
): Extract<Fault, { kind: Kind }> | undefined {
  // The kind tells the type.
  return faults.find((fault) => fault.kind === kind) as Extract<Fault, { kind: Kind }> | undefined;
}
