import { FOUND, Lookup, protocolOf } from "./answer-lookup.ts";
import { HEADER_BYTES, MALFORMED, NameBytes, Question } from "./answer-question.ts";
import { RecordPrinter } from "./answer-records.ts";
import { type PortFilter, ServicePrinter } from "./answer-services.ts";
import { pointerTo, QUESTION_NAME, Reply, TYPE } from "./answer-writer.ts";
import { RCODE } from "./codes.ts";
import type { NameIndex } from "./name-index.ts";
import { randomSeed } from "./random-seed.ts";
import { HOST_HEADLESS, SERVER_ADDRESSES, SERVER_SERVICE, TAG, VALUE } from "./records.ts";
import type { ZoneOptions } from "./settings.ts";
import { reverseZones, type WireZone, wireZone } from "./zone-plan.ts";

export { MALFORMED } from "./answer-question.ts";

/** No reply is sent. */
export const SILENT = 0;
/** A question that the zone has no last word on: aliases, hooks or upstreams may have. */
export const ASK = -1;
/** The reply is complete up to a CNAME whose target upstreams know. */
export const CHASE = -2;

/** Whose a question's name is. */
export const ZONE_KIND = { foreign: 0, cluster: 1, reverse: 2, unread: 3 } as const;

/** How to answer. */
export interface ResponderOptions {
  readonly zone: Pick<ZoneOptions, "name" | "reverse" | "ttl" | "negativeTtl" | "pods" | "ptr" | "beforeSync">;
  /** Largest UDP reply, bytes; at least 512. */
  readonly maxUdp: number;
  /** Replies say that recursion is available. */
  readonly recursionAvailable: boolean;
  /** Names of ours that do not exist may exist elsewhere: ASK instead of NXDOMAIN. Default: neither. */
  readonly fallthrough?: { readonly zone: boolean; readonly reverse: boolean };
  /** Where the rotation of addresses starts; tests set it. Default: random. */
  readonly seed?: number;
}

const MIN_UDP = 512;
const LARGEST = 65_535;
const SOA_MOST_TTL = 300;
const CLASS_IN = 1;
/** CNAME records that one reply may have. */
const MOST_ALIASES = 11;
const ALL_PORTS: PortFilter = { protocol: -1, skipped: 0 };
const NAMED_PORT: readonly PortFilter[] = [0, 1, 2].map((protocol) => ({ protocol, skipped: 2 }));

/**
 * Answers packets from the bytes of an index. One for a thread. Allocates nothing and makes no strings; never throws for what
 * a packet holds. After `respond` the fields tell of the question and the reply, until the next call.
 */
export class Responder {
  /** Bytes of the reply in `out`. After ASK: of the one to send when nobody else has an answer. */
  length = 0;
  /** Code of that reply; BADVERS is 16. */
  rcode = 0;
  /** One of `ZONE_KIND`. */
  zoneKind = 0;
  /** One of `MALFORMED`. */
  malformed = 0;
  recursionDesired = false;
  checkingDisabled = false;
  /** Most bytes that a reply to the question may have. */
  maxBytes = 0;
  /** After CHASE: where the whole wire name of the last target is in `out`. */
  targetOffset = 0;
  readonly #question = new Question();
  readonly #target = new NameBytes();
  readonly #reply: Reply;
  readonly #lookup: Lookup;
  readonly #printer: RecordPrinter;
  readonly #services: ServicePrinter;
  readonly #zone: WireZone;
  readonly #reverse: readonly WireZone[];
  readonly #options: ResponderOptions;
  #index: NameIndex;

  /** Throws RangeError for a zone or networks that are none. */
  constructor(index: NameIndex, options: ResponderOptions) {
    const { zone, seed = randomSeed() } = options;
    this.#options = options;
    this.#index = index;
    this.#zone = wireZone(zone.name);
    this.#reverse = reverseZones(zone.reverse);
    this.#reply = new Reply(options);
    this.#lookup = new Lookup(index, { zone: this.#zone, pods: zone.pods, nodes: zone.ptr === "pods" });
    this.#printer = new RecordPrinter(this.#reply, this.#question, { ttl: zone.ttl, seed });
    this.#services = new ServicePrinter(this.#printer, this.#reply, this.#question, zone.ttl);
    this.use(index);
  }

  /** Answers from another index from now on. */
  use(index: NameIndex): void {
    this.#index = index;
    this.#lookup.index = index;
    this.#printer.values = index.bytes;
  }

  /** Type that was asked for. */
  get qtype(): number {
    return this.#question.type;
  }

  get qclass(): number {
    return this.#question.class;
  }

  /** Wire length of the question's name, which begins at byte 12; 0 when it could not be read. */
  get nameLength(): number {
    return this.#question.name.length;
  }

  /** Size that the client takes over UDP; 0 when it sent no OPT. */
  get ednsBytes(): number {
    return this.#question.ednsBytes;
  }

  get dnssecOk(): boolean {
    return this.#question.dnssecOk;
  }

  /** The reply says that records are missing. */
  get truncated(): boolean {
    return this.#reply.isCut;
  }

  /**
   * Answers a packet. Gives the length of the reply in `out`, which has room for 65535 bytes over TCP and `maxUdp` over UDP;
   * or SILENT, ASK, CHASE.
   */
  respond(query: Uint8Array, length: number, out: Uint8Array, overTcp: boolean): number {
    this.length = 0;
    this.rcode = RCODE.NOERROR;
    this.zoneKind = ZONE_KIND.unread;
    this.malformed = MALFORMED.none;
    this.#reply.isCut = false;
    if (length < HEADER_BYTES || (query[2] & 0x80) !== 0) {
      this.malformed = length < HEADER_BYTES ? MALFORMED.short : MALFORMED.response;
      this.#question.name.length = 0;
      return SILENT;
    }
    this.recursionDesired = (query[2] & 1) !== 0;
    this.checkingDisabled = (query[3] & 0x10) !== 0;
    if ((query[2] & 0x78) !== 0) {
      this.malformed = MALFORMED.opcode;
      this.#question.name.length = 0;
      return this.#bare(query, out, RCODE.NOTIMP);
    }
    const question = this.#question;
    this.malformed = question.parse(query, length);
    if (this.malformed !== MALFORMED.none && question.end === 0) {
      return this.#bare(query, out, RCODE.FORMERR);
    }
    const { maxUdp } = this.#options;
    this.maxBytes = overTcp ? LARGEST : Math.min(Math.max(MIN_UDP, question.ednsBytes), maxUdp);
    this.#reply.begin(query, question, out, Math.min(this.maxBytes, out.length));
    if (this.malformed !== MALFORMED.none) {
      return this.#end(query, RCODE.FORMERR, false);
    }
    if (question.ednsVersion !== 0) {
      return this.#end(query, RCODE.BADVERS, false);
    }
    if (question.class !== CLASS_IN || question.type === TYPE.axfr || question.type === TYPE.ixfr) {
      return this.#end(query, RCODE.REFUSED, false);
    }
    const index = this.#index;
    index.enter();
    try {
      return this.#resolve(query);
    } finally {
      index.leave();
    }
  }

  #resolve(query: Uint8Array): number {
    const { name } = this.#question;
    if (name.isIn(this.#zone.wire, this.#zone.labels)) {
      this.zoneKind = ZONE_KIND.cluster;
      this.#printer.zoneAt = HEADER_BYTES + name.length - this.#zone.wire.length;
      return this.#answer(query, this.#lookup.find(name));
    }
    for (let n = 0; n < this.#reverse.length; n++) {
      const { wire, labels } = this.#reverse[n];
      if (name.isIn(wire, labels)) {
        this.zoneKind = ZONE_KIND.reverse;
        this.#printer.zoneAt = HEADER_BYTES + name.length - wire.length;
        return this.#answer(query, this.#lookup.findReverse(name, labels));
      }
    }
    this.zoneKind = ZONE_KIND.foreign;
    this.#end(query, RCODE.REFUSED, false);
    return ASK;
  }

  #answer(query: Uint8Array, found: number): number {
    if (found === FOUND.alias) {
      return this.#alias(query);
    }
    const { type } = this.#question;
    switch (found) {
      case FOUND.host:
        this.#host(type);
        break;
      case FOUND.port:
        if (type === TYPE.srv) {
          const filter = NAMED_PORT[protocolOf(this.#question.name, 1)];
          this.#services.print(this.#lookup.value, this.#isHeadless, filter);
        }
        break;
      case FOUND.pod:
        this.#pod(QUESTION_NAME, type);
        break;
      case FOUND.pointers:
        this.#pointers(type);
        break;
      case FOUND.server:
        if ((type === TYPE.a || type === TYPE.aaaa) && this.#lookup.value !== 0) {
          this.#printer.addresses(QUESTION_NAME, this.#lookup.value, type);
        }
        break;
      case FOUND.version:
        if (type === TYPE.txt) {
          this.#printer.version();
        }
        break;
      case FOUND.apex:
        this.#apex(type);
        break;
    }
    const { answers, isCut } = this.#reply;
    return answers > 0 || isCut
      ? this.#end(query, RCODE.NOERROR, true)
      : this.#negative(query, found !== FOUND.nothing);
  }

  #host(type: number): void {
    if (type === TYPE.a || type === TYPE.aaaa) {
      this.#printer.addresses(QUESTION_NAME, this.#lookup.value, type);
    } else if (type === TYPE.srv) {
      this.#services.print(this.#lookup.value, this.#isHeadless, ALL_PORTS);
    }
  }

  get #isHeadless(): boolean {
    return this.#index.bytes[this.#lookup.value + HOST_HEADLESS] === 1;
  }

  #pod(owner: number, type: number): void {
    const { address, addressLength, value } = this.#lookup;
    if (type === (addressLength === 4 ? TYPE.a : TYPE.aaaa)) {
      this.#printer.answer(owner, type, address, 0, addressLength);
    } else if (type === TYPE.txt && value !== 0) {
      this.#printer.text(value + 1);
    }
  }

  #pointers(type: number): void {
    if (type === TYPE.ptr) {
      this.#printer.pointers(this.#lookup.value, this.#zone.wire);
    } else if (type === TYPE.txt && this.#options.zone.ptr === "pods") {
      this.#printer.pointerTexts(this.#lookup.value);
    }
  }

  #apex(type: number): void {
    if (type === TYPE.soa) {
      this.#soa();
      this.#reply.answers++;
    } else if (type === TYPE.ns) {
      const index = this.#index;
      const alias = this.zoneKind === ZONE_KIND.cluster ? index.find(TAG.server, SERVER_SERVICE, 0, 1) : 0;
      // The labels of an alias end in the root's byte.
      const size = alias === 0 ? 0 : index.bytes[alias + 1] - 1;
      const service = alias === 0 ? 0 : index.find(TAG.service, index.bytes, alias + 2, alias + 2 + size);
      const isHost = service !== 0 && index.bytes[service] === VALUE.host;
      const host = isHost ? service : index.find(TAG.server, SERVER_ADDRESSES, 0, 1);
      this.#printer.nameServer(isHost ? alias + 2 : 0, size, host);
    }
  }

  #soa(): void {
    const { ttl, negativeTtl } = this.#options.zone;
    const own = this.#reply.answers === 0 && this.#question.type === TYPE.soa && this.#isApex ? ttl : negativeTtl;
    this.#printer.soa(Math.min(own, SOA_MOST_TTL), negativeTtl, this.#index.serial);
  }

  get #isApex(): boolean {
    return this.#printer.zoneAt === HEADER_BYTES;
  }

  /** Follows CNAME records as long as they lead to names of the zone. */
  #alias(query: Uint8Array): number {
    const { type } = this.#question;
    if (type !== TYPE.a && type !== TYPE.aaaa && type !== TYPE.cname) {
      return this.#negative(query, true);
    }
    const { bytes } = this.#index;
    const target = this.#target;
    let owner: number = QUESTION_NAME;
    for (let n = 0; n < MOST_ALIASES; n++) {
      const at = this.#lookup.value + 2;
      target.read(bytes, at, at + bytes[at - 1]);
      const isOurs = target.isIn(this.#zone.wire, this.#zone.labels);
      const written = this.#printer.alias(owner, at, target, !isOurs);
      if (written === 0 || type === TYPE.cname) {
        return this.#end(query, RCODE.NOERROR, true);
      }
      if (!isOurs) {
        this.targetOffset = written;
        this.#end(query, RCODE.NOERROR, true);
        return CHASE;
      }
      owner = pointerTo(written);
      const found = this.#lookup.find(target);
      if (found !== FOUND.alias) {
        this.#addresses(owner, found, type);
        return this.#reply.answers > n + 1 || this.#reply.isCut
          ? this.#end(query, RCODE.NOERROR, true)
          : this.#withheld(query);
      }
    }
    return this.#withheld(query);
  }

  /** Addresses of what a CNAME leads to. */
  #addresses(owner: number, found: number, type: number): void {
    if (found === FOUND.host || (found === FOUND.server && this.#lookup.value !== 0)) {
      this.#printer.addresses(owner, this.#lookup.value, type);
    } else if (found === FOUND.pod) {
      this.#pod(owner, type);
    }
  }

  /** A chain that leads to nothing is not shown. */
  #withheld(query: Uint8Array): number {
    this.#reply.rewind(this.#question);
    return this.#negative(query, true);
  }

  #negative(query: Uint8Array, exists: boolean): number {
    const { fallthrough, zone } = this.#options;
    const { isSynced } = this.#index;
    if (this.#printer.hasRoomForSoa) {
      this.#soa();
      this.#reply.authorities++;
    }
    if (exists) {
      return this.#end(query, RCODE.NOERROR, true);
    }
    const length = this.#end(query, isSynced ? RCODE.NXDOMAIN : RCODE.SERVFAIL, true);
    const isOpen = this.zoneKind === ZONE_KIND.reverse ? fallthrough?.reverse : fallthrough?.zone;
    return (isSynced ? isOpen === true : zone.beforeSync === "forward") ? ASK : length;
  }

  #end(query: Uint8Array, rcode: number, isAuthority: boolean): number {
    this.rcode = rcode;
    this.length = this.#reply.finish(query, this.#question, rcode, isAuthority);
    return this.length;
  }

  #bare(query: Uint8Array, out: Uint8Array, rcode: number): number {
    this.rcode = rcode;
    this.length = this.#reply.bare(query, out, rcode);
    return this.length;
  }
}
