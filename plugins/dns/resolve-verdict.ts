import { RCODE } from "./codes.ts";
import { CLASS_IN, isUnder, lowerName, TYPE } from "./resolve-question.ts";
import type { Message, WireRecord } from "./resolve-records.ts";
import { targetOf } from "./resolve-records.ts";

/** What was asked of an upstream. */
export interface Asked {
  /** On the wire, lower case. */
  readonly name: string;
  readonly type: number;
  /** DNSSEC records were asked for. */
  readonly dnssec: boolean;
}

/** What a reply says, without what has nothing to do with the question. */
export interface Verdict {
  /** positive: it has what was asked; negative: no such name or no such type, with the SOA that proves it; failure: the upstream could not; passing: it is handed on and not kept. */
  readonly kind: "positive" | "negative" | "failure" | "passing";
  readonly rcode: number;
  readonly truncated: boolean;
  readonly answers: readonly WireRecord[];
  readonly authority: readonly WireRecord[];
  readonly additional: readonly WireRecord[];
  /** The least of all records, seconds. */
  readonly ttl: number;
}

interface Chain {
  readonly records: WireRecord[];
  /** Where it ends: lower case. */
  readonly end: string;
  readonly found: boolean;
  /** It leads in a circle, forks, or has more CNAMEs than allowed. */
  readonly isBad: boolean;
}

const PROOFS: readonly number[] = [TYPE.NSEC, TYPE.NSEC3, TYPE.RRSIG];
const POINTING: readonly number[] = [TYPE.SRV, TYPE.MX, TYPE.NS];

/**
 * Judges a reply. `nowSeconds`: wall clock, for signatures that are over. `maxCnames`: of one chain; a longer one is a failure.
 */
export function judge(message: Message, asked: Asked, at: { nowSeconds: number; maxCnames: number }): Verdict {
  const { rcode, truncated } = message;
  const nothing = { rcode, truncated, answers: [], authority: [], additional: [], ttl: 0 };
  if (message.extendedRcode !== 0) {
    return { kind: "failure", ...nothing, rcode: RCODE.SERVFAIL };
  }
  if (rcode !== RCODE.NOERROR && rcode !== RCODE.NXDOMAIN) {
    return { kind: "failure", ...nothing };
  }
  const answers = message.answers.filter((record) => record.klass === CLASS_IN);
  const chain = follow(answers, asked);
  if (chain.records.filter((record) => record.type === TYPE.CNAME).length > at.maxCnames) {
    return { kind: "failure", ...nothing, rcode: RCODE.SERVFAIL };
  }
  if (chain.isBad) {
    return { ...nothing, kind: "passing", answers, ttl: leastTtl(answers) };
  }
  // Of all types the signatures are there already.
  const kept =
    asked.dnssec && asked.type !== TYPE.ANY ? [...chain.records, ...signatures(answers, chain.records)] : chain.records;
  const proofs = asked.dnssec ? message.authority.filter((record) => PROOFS.includes(record.type)) : [];
  if (chain.found) {
    const additional = addresses(message.additional, chain.records);
    const all = [...kept, ...proofs, ...additional];
    const isKept = rcode === RCODE.NOERROR && !truncated && signaturesHold(all, at.nowSeconds);
    const ttl = leastTtl(all);
    return {
      kind: isKept ? "positive" : "passing",
      rcode,
      truncated,
      answers: kept,
      authority: proofs,
      additional,
      ttl,
    };
  }
  const soa = message.authority.find(
    (record) => record.type === TYPE.SOA && isUnder(chain.end, lowerName(record.owner)),
  );
  const authority = soa === undefined ? proofs : [soa, ...proofs];
  const all = [...kept, ...authority];
  const isKept = soa !== undefined && !truncated && signaturesHold(all, at.nowSeconds);
  const ttl = soa === undefined ? leastTtl(all) : Math.min(leastTtl(all), minimumOf(soa));
  return { kind: isKept ? "negative" : "passing", rcode, truncated, answers: kept, authority, additional: [], ttl };
}

/** The records that lead from the question to its answer, in order, whatever their order in the reply. */
function follow(answers: readonly WireRecord[], asked: Asked): Chain {
  const byOwner = new Map<string, WireRecord[]>();
  for (const record of answers) {
    const owner = lowerName(record.owner);
    const others = byOwner.get(owner);
    if (others === undefined) {
      byOwner.set(owner, [record]);
    } else {
      others.push(record);
    }
  }
  const dnames = answers.filter((record) => record.type === TYPE.DNAME);
  const records: WireRecord[] = [];
  const seen = new Set<string>();
  let end = asked.name;
  let spelled = asked.name;
  for (;;) {
    const here = byOwner.get(end) ?? [];
    const isWanted = (record: WireRecord): boolean => asked.type === TYPE.ANY || record.type === asked.type;
    const found = here.filter(isWanted);
    if (found.length > 0) {
      // Types that follow each other belong together, so that addresses can be turned.
      found.sort((a, b) => a.type - b.type);
      records.push(...found.map((record) => ({ ...record, owner: spelled })));
      return { records, end, found: true, isBad: false };
    }
    const cnames = here.filter((record) => record.type === TYPE.CNAME);
    if (cnames.length === 0) {
      return { records, end, found: false, isBad: false };
    }
    seen.add(end);
    const target = lowerName(targetOf(cnames[0]));
    if (seen.has(target) || cnames.some((record) => lowerName(targetOf(record)) !== target)) {
      return { records, end, found: false, isBad: true };
    }
    const above = dnames.find((record) => lowerName(record.owner) !== end && isUnder(end, lowerName(record.owner)));
    if (above !== undefined && !records.includes(above)) {
      records.push(above);
    }
    records.push({ ...cnames[0], owner: spelled });
    spelled = targetOf(cnames[0]);
    end = target;
  }
}

function signatures(answers: readonly WireRecord[], chain: readonly WireRecord[]): WireRecord[] {
  const signed = new Set(chain.map((record) => `${record.type} ${lowerName(record.owner)}`));
  return answers.filter(
    (record) => record.type === TYPE.RRSIG && signed.has(`${coveredType(record)} ${lowerName(record.owner)}`),
  );
}

function coveredType(signature: WireRecord): number {
  return (signature.head[0] << 8) | signature.head[1];
}

/** Addresses of the names that the answers lead to: of servers and mail exchangers. */
function addresses(additional: readonly WireRecord[], answers: readonly WireRecord[]): WireRecord[] {
  const targets = new Set<string>();
  for (const record of answers) {
    if (POINTING.includes(record.type)) {
      targets.add(lowerName(targetOf(record)));
    }
  }
  const isAddress = (record: WireRecord) => record.type === TYPE.A || record.type === TYPE.AAAA;
  return additional.filter(
    (record) => record.klass === CLASS_IN && isAddress(record) && targets.has(lowerName(record.owner)),
  );
}

/** False when a signature is over: resolvers behind us would not take it. Times are serial numbers (RFC 4034, 3.1.5). */
function signaturesHold(records: readonly WireRecord[], nowSeconds: number): boolean {
  return records.every((record) => {
    if (record.type !== TYPE.RRSIG || record.head.length < 12) {
      return true;
    }
    const view = new DataView(record.head.buffer, record.head.byteOffset, record.head.length);
    return (view.getUint32(8) - nowSeconds) << 0 > 0;
  });
}

function minimumOf(soa: WireRecord): number {
  return new DataView(soa.tail.buffer, soa.tail.byteOffset, soa.tail.length).getUint32(16);
}

function leastTtl(records: readonly WireRecord[]): number {
  return records.reduce((least, record) => Math.min(least, record.ttl), records.length === 0 ? 0 : 0x7fffffff);
}
