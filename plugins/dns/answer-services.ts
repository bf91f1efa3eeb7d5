import { groupEnd, isPort } from "./answer-lookup.ts";
import { HEADER_BYTES, type Question } from "./answer-question.ts";
import type { RecordPrinter } from "./answer-records.ts";
import { QUESTION_NAME, type Reply, TYPE } from "./answer-writer.ts";
import {
  GROUP_ADDRESSES,
  GROUP_HEAD,
  GROUP_PORTS,
  GROUP_TARGETS,
  groupsAt,
  HOST_GROUPS,
  HOST_HEAD,
  HOST_PORTS,
  HOST_V4,
  HOST_V6,
  PORT_HEAD,
  portsAt,
  portsEnd,
  short,
} from "./records.ts";

const RECORD_HEAD = 12;
/** Priority, weight and port. */
const SRV_HEAD = 6;
const LONGEST_NAME = 255;
/** As many targets as a reply of 64 KiB can have. */
const MOST_TARGETS = 3000;
/** Groups whose targets are rotated. */
const MOST_GROUPS = 64;

/** Which ports an SRV question is about: all, or those of a protocol that have the name in the first label. */
export interface PortFilter {
  /** -1: all. */
  readonly protocol: number;
  /** Labels of the question in front of the name that owns the ports. */
  readonly skipped: number;
}

/** Writes SRV records. One for a thread; allocates nothing. */
export class ServicePrinter {
  readonly #printer: RecordPrinter;
  readonly #reply: Reply;
  readonly #question: Question;
  readonly #ttl: number;
  /** Where the targets were written. */
  readonly #targets = new Uint16Array(MOST_TARGETS);
  #targetCount = 0;
  #weight = 1;
  /** With which target each group began. */
  readonly #starts = new Uint16Array(MOST_GROUPS);

  constructor(printer: RecordPrinter, reply: Reply, question: Question, ttl: number) {
    this.#printer = printer;
    this.#reply = reply;
    this.#question = question;
    this.#ttl = ttl;
  }

  /** SRV records that lead to the name itself, or to its endpoints; then their addresses, as far as there is room. */
  print(value: number, isHeadless: boolean, filter: PortFilter): void {
    const { values } = this.#printer;
    this.#targetCount = 0;
    if (!isHeadless) {
      this.#ownPorts(value, filter);
      return;
    }
    const count = short(values, value + HOST_GROUPS);
    const firstGroup = groupsAt(values, value);
    let records = 0;
    for (let n = 0, group = firstGroup; n < count; n++) {
      const ports = this.#wanted(group + GROUP_HEAD, values[group + GROUP_PORTS], filter);
      records += ports * short(values, group + GROUP_ADDRESSES);
      group = groupEnd(values, group);
    }
    this.#weight = weightOf(records);
    for (let n = 0, group = firstGroup; n < count && !this.#reply.isCut; n++) {
      this.#group(group, n, filter, false);
      group = groupEnd(values, group);
    }
    if (this.#reply.isCut) {
      return;
    }
    this.#targetCount = 0;
    for (let n = 0, group = firstGroup; n < count; n++) {
      this.#group(group, n, filter, true);
      group = groupEnd(values, group);
    }
  }

  #ownPorts(value: number, filter: PortFilter): void {
    const { values } = this.#printer;
    const count = values[value + HOST_PORTS];
    const v4 = short(values, value + HOST_V4);
    const v6 = short(values, value + HOST_V6);
    let at = portsAt(values, value);
    this.#weight = weightOf(this.#wanted(at, count, filter) * (v4 + v6));
    const start = at;
    for (let n = 0; n < count; n++) {
      if (this.#isNext(start, at, filter) && !this.#srv(at, 0, filter)) {
        return;
      }
      at += PORT_HEAD + values[at + 3];
    }
    if (this.#targetCount > 0 && this.#targets[0] !== 0) {
      this.#printer.additional(this.#targets[0], value + HOST_HEAD, v4, v6);
    }
  }

  /** SRV records of one group's targets; or, in the same order, their addresses. */
  #group(group: number, number: number, filter: PortFilter, asAddresses: boolean): void {
    const { values } = this.#printer;
    const ports = values[group + GROUP_PORTS];
    if (this.#wanted(group + GROUP_HEAD, ports, filter) === 0) {
      return;
    }
    const count = short(values, group + GROUP_TARGETS);
    const start = portsEnd(values, group + GROUP_HEAD, ports);
    let at = start;
    if (!asAddresses && number < MOST_GROUPS) {
      this.#starts[number] = this.#printer.any(count);
    }
    const first = number < MOST_GROUPS ? this.#starts[number] : 0;
    for (let n = 0; n < first; n++) {
      at = this.#afterTarget(at);
    }
    for (let n = 0; n < count && !this.#reply.isCut; n++) {
      if (n + first === count) {
        at = start;
      }
      if (asAddresses) {
        const addresses = at + 1 + values[at];
        const from = this.#targetCount < MOST_TARGETS ? this.#targets[this.#targetCount++] : 0;
        if (from !== 0 && !this.#printer.additional(from, addresses + 2, values[addresses], values[addresses + 1])) {
          return;
        }
      } else {
        this.#target(group, ports, at, filter);
      }
      at = this.#afterTarget(at);
    }
  }

  #target(group: number, ports: number, target: number, filter: PortFilter): void {
    const { values } = this.#printer;
    const start = group + GROUP_HEAD;
    let at = start;
    let isNew = true;
    for (let n = 0; n < ports; n++) {
      if (this.#isNext(start, at, filter)) {
        const before = this.#targetCount;
        if (!this.#srv(at, target, filter)) {
          return;
        }
        this.#targetCount = isNew ? this.#targetCount : before;
        isNew = false;
      }
      at += PORT_HEAD + values[at + 3];
    }
  }

  #afterTarget(at: number): number {
    const { values } = this.#printer;
    const addresses = at + 1 + values[at];
    return addresses + 2 + values[addresses] * 4 + values[addresses + 1] * 16;
  }

  #isWanted(port: number, { protocol }: PortFilter): boolean {
    return protocol < 0 || isPort(this.#printer.values, port, protocol, this.#question.name);
  }

  /** The question is about this port, and about none before it with the same number, which would make the same record. */
  #isNext(start: number, port: number, filter: PortFilter): boolean {
    const { values } = this.#printer;
    if (!this.#isWanted(port, filter)) {
      return false;
    }
    for (let at = start; at < port; at += PORT_HEAD + values[at + 3]) {
      if (short(values, at) === short(values, port) && this.#isWanted(at, filter)) {
        return false;
      }
    }
    return true;
  }

  /** How many of so many ports the question is about. */
  #wanted(start: number, count: number, filter: PortFilter): number {
    let at = start;
    let found = 0;
    for (let n = 0; n < count; n++) {
      if (this.#isWanted(at, filter)) {
        found++;
      }
      at += PORT_HEAD + this.#printer.values[at + 3];
    }
    return found;
  }

  /** One SRV record: to the label at `target` (0: none) below the owner of the ports. The name is in lower case, the zone as asked. */
  #srv(port: number, target: number, { skipped }: PortFilter): boolean {
    const reply = this.#reply;
    const { out } = reply;
    const { name, end } = this.#question;
    const zoneStart = this.#printer.zoneAt - HEADER_BYTES;
    const ownStart = name.labels[skipped];
    const label = target === 0 ? 0 : this.#printer.values[target] + 1;
    const length = SRV_HEAD + label + name.length - ownStart;
    if (length - SRV_HEAD > LONGEST_NAME) {
      // Nobody could ask for it.
      this.#noteTarget(0);
      return true;
    }
    if (!reply.hasRoom(RECORD_HEAD + length)) {
      reply.isCut = true;
      return false;
    }
    reply.head(QUESTION_NAME, TYPE.srv, this.#ttl, length);
    reply.short(0);
    reply.short(this.#weight);
    reply.short(short(this.#printer.values, port));
    this.#noteTarget(reply.at);
    if (label > 0) {
      reply.bytes(this.#printer.values, target, target + label);
    }
    reply.bytes(name.bytes, ownStart, zoneStart);
    reply.bytes(out, this.#printer.zoneAt, end - 4);
    reply.answers++;
    return true;
  }

  #noteTarget(at: number): void {
    if (this.#targetCount < MOST_TARGETS) {
      this.#targets[this.#targetCount++] = at;
    }
  }
}

/** What each of so many records gets of 100. */
function weightOf(records: number): number {
  return records === 0 ? 1 : Math.max(1, Math.floor(100 / records));
}
