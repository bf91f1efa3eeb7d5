import type { Logger } from "../../core/api/index.ts";
import { RCODES } from "./counters.ts";
import { questionName, questionType } from "./packet.ts";
import type { Asker } from "./query-desk.ts";
import type { QueryLogOptions } from "./settings.ts";
import { typeName } from "./type-names.ts";

const SECOND_MS = 1000;

/** What a query log works with. */
export interface QueryLogParts extends QueryLogOptions {
  readonly log: Logger;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  /** Told of each line. */
  readonly logged: () => void;
}

/** Logs a part of the queries, and never more lines a second than it may. Undefined: none at all. */
export function queryLog({ sample, perSecond, log, now, random, logged }: QueryLogParts) {
  if (sample === 0) {
    return undefined;
  }
  let endsAtMs = 0;
  let lines = 0;
  return (query: Uint8Array, reply: Uint8Array, from: Asker, seconds: number): void => {
    if (sample < 1 && random() >= sample) {
      return;
    }
    const nowMs = now();
    if (nowMs >= endsAtMs) {
      endsAtMs = nowMs + SECOND_MS;
      lines = 0;
    }
    if (lines >= perSecond) {
      return;
    }
    lines++;
    logged();
    log.info(
      {
        client: from.address,
        proto: from.tcp ? "tcp" : "udp",
        name: questionName(query, query.length),
        type: typeName(questionType(query, query.length)),
        rcode: RCODES[Math.min(reply[3] & 15, RCODES.length - 1)],
        bytes: reply.length,
        ms: Math.round(seconds * 1e6) / 1000,
      },
      "dns query",
    );
  };
}
