import {
  GROUP_TARGETS,
  type GroupRecord,
  type HostRecord,
  type PointerRecord,
  type PortRecord,
  type TargetRecord,
  VALUE,
} from "./records.ts";

/** Makes values. One for all of a thread: each value is valid until the next one is made. */
export class RecordWriter {
  bytes = new Uint8Array(4096);
  length = 0;

  empty(): this {
    this.length = 0;
    return this.#byte(VALUE.empty);
  }

  alias(labels: Uint8Array): this {
    this.length = 0;
    return this.#byte(VALUE.alias)
      .#byte(labels.length + 1)
      .#all(labels)
      .#byte(0);
  }

  pod(facts: readonly string[]): this {
    this.length = 0;
    return this.#byte(VALUE.pod).#strings(facts);
  }

  pointers(list: readonly PointerRecord[]): this {
    this.length = 0;
    this.#byte(VALUE.pointers).#byte(list.length);
    for (const { rank, domain, labels, facts } of list) {
      this.#byte(rank).#byte(domain).#byte(labels.length).#all(labels).#strings(facts);
    }
    return this;
  }

  host(host: HostRecord): this {
    this.length = 0;
    this.#byte(VALUE.host)
      .#byte(host.isHeadless ? 1 : 0)
      .#short(host.v4.length)
      .#short(host.v6.length)
      .#byte(Math.min(255, host.ports.length))
      .#short(host.groups.length);
    this.#lists(host).#ports(host.ports);
    for (const group of host.groups) {
      this.#group(group);
    }
    return this;
  }

  #group({ ports, targets }: GroupRecord): void {
    const start = this.length;
    this.#long(0).#short(targets.length).#byte(Math.min(255, ports.length)).#short(addressesOf(targets)).#ports(ports);
    for (const target of targets) {
      this.#text(target.label).#byte(target.v4.length).#byte(target.v6.length).#lists(target);
    }
    const end = this.length;
    this.length = start;
    this.#long(end - start - GROUP_TARGETS);
    this.length = end;
  }

  #lists({ v4, v6 }: { readonly v4: readonly Uint8Array[]; readonly v6: readonly Uint8Array[] }): this {
    for (const address of v4) {
      this.#all(address);
    }
    for (const address of v6) {
      this.#all(address);
    }
    return this;
  }

  #ports(ports: readonly PortRecord[]): this {
    for (const { number, protocol, name } of ports.slice(0, 255)) {
      this.#short(number).#byte(protocol).#text(name);
    }
    return this;
  }

  #strings(facts: readonly string[]): this {
    const at = this.length;
    this.#byte(0);
    for (const fact of facts) {
      if (this.length - at + fact.length > 254) {
        break;
      }
      this.#text(fact);
    }
    this.bytes[at] = this.length - at - 1;
    return this;
  }

  /** ASCII of at most 255 bytes after its length. */
  #text(text: string): this {
    this.#byte(text.length);
    for (let n = 0; n < text.length; n++) {
      this.#byte(text.charCodeAt(n) & 0x7f);
    }
    return this;
  }

  #all(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  #byte(value: number): this {
    this.#room(1);
    this.bytes[this.length++] = value;
    return this;
  }

  #short(value: number): this {
    return this.#byte(value >> 8).#byte(value & 255);
  }

  #long(value: number): this {
    return this.#short(value >>> 16).#short(value & 0xffff);
  }

  #room(more: number): void {
    if (this.length + more > this.bytes.length) {
      const larger = new Uint8Array((this.length + more) * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
  }
}

function addressesOf(targets: readonly TargetRecord[]): number {
  return targets.reduce((sum, { v4, v6 }) => sum + v4.length + v6.length, 0);
}
