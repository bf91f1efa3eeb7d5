import { HEADER_BYTES, type NameBytes, type Question } from "./answer-question.ts";
import { pointerTo, QUESTION_NAME, type Reply, TYPE } from "./answer-writer.ts";
import { DOMAIN_LABELS, HOST_HEAD, HOST_V4, HOST_V6, RANK, short } from "./records.ts";

const RECORD_HEAD = 12;
const POINTER_BYTES = 2;
const LONGEST_NAME = 255;
const SOA_NUMBERS = 20;
const REFRESH = 7200;
const RETRY = 1800;
const EXPIRE = 86_400;
const VERSION_TTL = 28_800;
const NS_DNS = Uint8Array.of(2, 110, 115, 3, 100, 110, 115);
const HOSTMASTER = Uint8Array.of(10, ...Buffer.from("hostmaster"));
const SERVICE_IS: Uint8Array = Buffer.from("service=");
const NAMESPACE_IS: Uint8Array = Buffer.from("namespace=");
const VERSION = Uint8Array.of(5, ...Buffer.from("1.1.0"));
/** Writes the records of values of the index into a reply. One for a thread; allocates nothing. */
export class RecordPrinter {
  /** Where the zone's name begins in the question. */
  zoneAt = 0;
  /** Bytes of the index that values are in. */
  values: Uint8Array = new Uint8Array(0);
  readonly #reply: Reply;
  readonly #question: Question;
  readonly #ttl: number;
  #random: number;

  constructor(reply: Reply, question: Question, { ttl, seed }: { readonly ttl: number; readonly seed: number }) {
    this.#reply = reply;
    this.#question = question;
    this.#ttl = ttl;
    this.#random = seed | 1;
  }

  /** The addresses of a host value of one family, beginning with any of them; gives how many there are. */
  addresses(owner: number, value: number, type: number): number {
    const v4 = short(this.values, value + HOST_V4);
    const isV4 = type === TYPE.a;
    const count = isV4 ? v4 : short(this.values, value + HOST_V6);
    const size = isV4 ? 4 : 16;
    const start = value + HOST_HEAD + (isV4 ? 0 : v4 * 4);
    const first = count > 1 ? this.any(count) : 0;
    for (let n = 0; n < count; n++) {
      const at = start + ((n + first) % count) * size;
      if (!this.answer(owner, type, this.values, at, size)) {
        break;
      }
    }
    return count;
  }

  /** One record of the answer; where there is no room the reply says so. */
  answer(owner: number, type: number, from: Uint8Array, start: number, length: number): boolean {
    const fits = this.#reply.record(owner, type, this.#ttl, from, start, length);
    if (fits) {
      this.#reply.answers++;
    } else {
      this.#reply.isCut = true;
    }
    return fits;
  }

  /** Addresses of a name that is written at `at`; false when not all had room, which is no harm. */
  additional(at: number, start: number, v4: number, v6: number): boolean {
    const owner = at === 0 ? 0 : pointerTo(at);
    if (owner === 0) {
      return false;
    }
    for (let n = 0; n < v4 + v6; n++) {
      const from = n < v4 ? start + n * 4 : start + v4 * 4 + (n - v4) * 16;
      const type = n < v4 ? TYPE.a : TYPE.aaaa;
      if (!this.#reply.record(owner, type, this.#ttl, this.values, from, n < v4 ? 4 : 16)) {
        return false;
      }
      this.#reply.additionals++;
    }
    return true;
  }

  /** Names of an address: the best ones. `zone` is the zone that they are in. */
  pointers(value: number, zone: Uint8Array): void {
    const { values } = this;
    let at = value + 2;
    const rank = values[at];
    const count = rank === RANK.service ? 1 : values[value + 1];
    let zonePointer = 0;
    for (let n = 0; n < count && values[at] === rank; n++) {
      const labels = at + 3;
      const size = values[at + 2];
      const domain = DOMAIN_LABELS[values[at + 1]];
      at = labels + size;
      at += 1 + values[at];
      if (size + domain.length + zone.length > LONGEST_NAME) {
        // Nobody could ask for it.
        continue;
      }
      const length = size + domain.length + (zonePointer === 0 ? zone.length : POINTER_BYTES);
      const reply = this.#reply;
      if (!reply.hasRoom(RECORD_HEAD + length)) {
        reply.isCut = true;
        return;
      }
      reply.head(QUESTION_NAME, TYPE.ptr, this.#ttl, length);
      reply.bytes(values, labels, labels + size);
      reply.bytes(domain, 0, domain.length);
      if (zonePointer === 0) {
        zonePointer = pointerTo(reply.at);
        reply.bytes(zone, 0, zone.length);
      } else {
        reply.short(zonePointer);
      }
      reply.answers++;
    }
  }

  /** TXT records of all that an address is: what is known of pods and nodes, service and namespace of the others. */
  pointerTexts(value: number): void {
    const { values } = this;
    let at = value + 2;
    for (let n = values[value + 1]; n > 0; n--) {
      const rank = values[at];
      const labels = at + 3;
      const facts = labels + values[at + 2];
      if (rank === RANK.service || rank === RANK.endpoint) {
        this.#serviceText(rank === RANK.service ? labels : labels + 1 + values[labels]);
      } else {
        this.text(facts);
      }
      at = facts + 1 + values[facts];
    }
  }

  /** "service=" and "namespace=" with the two labels at `at`. */
  #serviceText(at: number): void {
    const { values } = this;
    const reply = this.#reply;
    const namespace = at + 1 + values[at];
    const length = 2 + SERVICE_IS.length + values[at] + NAMESPACE_IS.length + values[namespace];
    if (!reply.hasRoom(RECORD_HEAD + length)) {
      reply.isCut = true;
      return;
    }
    reply.head(QUESTION_NAME, TYPE.txt, this.#ttl, length);
    this.#fact(SERVICE_IS, at);
    this.#fact(NAMESPACE_IS, namespace);
    reply.answers++;
  }

  #fact(name: Uint8Array, label: number): void {
    const size = this.values[label];
    this.#reply.out[this.#reply.at++] = name.length + size;
    this.#reply.bytes(name, 0, name.length);
    this.#reply.bytes(this.values, label + 1, label + 1 + size);
  }

  /** A TXT record of strings that follow their length; none when there are none. */
  text(at: number): void {
    const size = this.values[at];
    if (size > 0) {
      this.answer(QUESTION_NAME, TYPE.txt, this.values, at + 1, size);
    }
  }

  /** The version of the scheme. */
  version(): void {
    this.#reply.record(QUESTION_NAME, TYPE.txt, VERSION_TTL, VERSION, 0, VERSION.length);
    this.#reply.answers++;
  }

  /** SOA of the zone, as answer or as authority. */
  soa(ttl: number, minimum: number, serial: number): void {
    const reply = this.#reply;
    const zone = 0xc000 | this.zoneAt;
    const start = reply.at;
    reply.head(zone, TYPE.soa, ttl, 0);
    reply.bytes(NS_DNS, 0, NS_DNS.length);
    reply.short(zone);
    reply.bytes(HOSTMASTER, 0, HOSTMASTER.length);
    reply.short(zone);
    reply.long(serial);
    reply.long(REFRESH);
    reply.long(RETRY);
    reply.long(EXPIRE);
    reply.long(minimum);
    reply.close(start);
  }

  /** True when an SOA has room, whatever it holds. */
  get hasRoomForSoa(): boolean {
    return this.#reply.hasRoom(RECORD_HEAD + NS_DNS.length + HOSTMASTER.length + 2 * POINTER_BYTES + SOA_NUMBERS);
  }

  /** NS of the zone: the service whose labels are at `labels` in the values (0: "ns.dns"), with the addresses of `host`. */
  nameServer(labels: number, size: number, host: number): void {
    const reply = this.#reply;
    const start = reply.at;
    reply.head(QUESTION_NAME, TYPE.ns, this.#ttl, 0);
    const nameAt = reply.at;
    if (labels === 0) {
      reply.bytes(NS_DNS, 0, NS_DNS.length);
    } else {
      reply.bytes(this.values, labels, labels + size);
      reply.bytes(DOMAIN_LABELS[0], 0, DOMAIN_LABELS[0].length);
    }
    reply.short(0xc000 | this.zoneAt);
    reply.close(start);
    reply.answers++;
    if (host !== 0) {
      const v4 = short(this.values, host + HOST_V4);
      this.additional(nameAt, host + HOST_HEAD, v4, short(this.values, host + HOST_V6));
    }
  }

  /**
   * A CNAME record to the whole wire name at `target`; what it shares with the question's name is pointed to, unless
   * `isWhole`. Gives where the target was written, 0 when there was no room.
   */
  alias(owner: number, target: number, name: NameBytes, isWhole: boolean): number {
    const reply = this.#reply;
    const shared = isWhole ? 0 : sharedLabels(name, this.#question.name);
    const own = shared === 0 ? name.length : name.labels[name.count - shared];
    const length = own + (shared === 0 ? 0 : POINTER_BYTES);
    if (!reply.hasRoom(RECORD_HEAD + length)) {
      reply.isCut = true;
      return 0;
    }
    reply.head(owner, TYPE.cname, this.#ttl, length);
    const at = reply.at;
    reply.bytes(this.values, target, target + own);
    if (shared > 0) {
      const { labels, count } = this.#question.name;
      reply.short(0xc000 | (HEADER_BYTES + labels[count - shared]));
    }
    reply.answers++;
    return at;
  }

  /** Any whole number below `count`. */
  any(count: number): number {
    let random = this.#random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.#random = random;
    return Math.floor(((random >>> 8) * count) / 0x100_0000);
  }
}

/** How many labels two names have in common at their ends. */
function sharedLabels(a: NameBytes, b: NameBytes): number {
  let shared = 0;
  while (shared < a.count && shared < b.count) {
    const n = a.count - shared - 1;
    const start = b.labels[b.count - shared - 1];
    const size = a.bytes[a.labels[n]];
    for (let at = 0; at <= size; at++) {
      if (a.bytes[a.labels[n] + at] !== b.bytes[start + at]) {
        return shared;
      }
    }
    shared++;
  }
  return shared;
}
