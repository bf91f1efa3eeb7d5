import { readFileSync } from "node:fs";
import { dataFolder } from "./data-folder.ts";

/** Names of the six set-ups that cases are played in; `configs.ts` says what each is. */
export type ConfigName = "D" | "I" | "V" | "C" | "E" | "N";

/** What CoreDNS 1.12.2 answered. */
export interface MeasuredReply {
  /** false: there was none. */
  readonly reply?: false;
  readonly rcode: string;
  readonly opcode: number;
  readonly flags: readonly string[];
  readonly counts: readonly number[];
  readonly len?: number;
  readonly an: readonly string[];
  readonly ns: readonly string[];
  readonly ar: readonly string[];
}

/** What we hold. */
export interface OurRule {
  /** same: as measured; ignore: as measured but for `want`; differ: only `want`; either: as measured, or `want`. */
  readonly mode: "same" | "ignore" | "differ" | "either";
  readonly want?: string;
  readonly why?: string;
}

/** One line of cases.jsonl: a question or a packet, what CoreDNS did, and what we do. */
export interface Case {
  readonly id: string;
  readonly cfg: ConfigName;
  readonly q?: string;
  readonly type?: string;
  readonly note?: string;
  readonly opts?: {
    readonly edns?: { readonly size: number; readonly do?: number };
    readonly tcp?: number;
    readonly flags?: number;
  };
  readonly wire?: string;
  readonly hex?: string;
  readonly tcp?: number;
  readonly rawtcp?: number;
  readonly coredns: MeasuredReply;
  readonly ours: OurRule;
}

/** All cases of a file beside this one. */
export function readCases(file: string): readonly Case[] {
  const lines = readFileSync(new URL(file, dataFolder), "utf8").trim().split("\n");
  return lines.map((line): Case => JSON.parse(line)); // Our own data.
}
