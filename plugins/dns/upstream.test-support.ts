import { createSocket } from "node:dgram";
import { EventEmitter, once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { TestContext } from "node:test";
import packet, { type Answer, type DecodedPacket, type Packet } from "dns-packet";
import { ManualClock } from "../../core/watch/manual-clock.test-support.ts";
import { createResolver, type Resolver, type ResolverOptions } from "./resolver.ts";
import type { CacheOptions, ForwardRoute } from "./settings.ts";

/** A question that a fake upstream got. */
export interface UpstreamQuery {
  readonly name: string;
  readonly type: string;
  readonly tcp: boolean;
  readonly raw: Buffer;
  readonly packet: DecodedPacket;
  /** Port that it came from. */
  readonly port: number;
  /** Says something later. */
  later(say: Say): void;
}

/** What it says: parts of a reply, whole packets, or nothing. */
export type Say = Partial<Packet> & { readonly rcode?: number; readonly truncated?: boolean };
export type Script = (query: UpstreamQuery) => Say | Buffer | readonly Buffer[] | "nothing" | "close";

/** A DNS server on loopback that says what a script says, over UDP and TCP. */
export class FakeUpstream {
  readonly queries: UpstreamQuery[] = [];
  /** Questions for health and loops, which come at any time. */
  readonly probes: UpstreamQuery[] = [];
  readonly port: number;
  script: Script;
  /** Over TCP replies are sent byte by byte. */
  inPieces = false;
  readonly #news = new EventEmitter();
  readonly #tcp = new Set<Socket>();

  private constructor(port: number, script: Script) {
    this.port = port;
    this.script = script;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#tcp.size;
  }

  /** Resolves when it has got so many questions in all. */
  async got(count: number): Promise<void> {
    while (this.queries.length < count) {
      await once(this.#news, "query");
    }
  }

  async gotProbes(count: number): Promise<void> {
    while (this.probes.length < count) {
      await once(this.#news, "query");
    }
  }

  closeConnections(): void {
    for (const socket of this.#tcp) {
      socket.end();
    }
  }

  static async start(t: TestContext, script: Script): Promise<FakeUpstream> {
    const server = createServer();
    const udp = createSocket("udp4");
    for (;;) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      try {
        udp.bind(port, "127.0.0.1");
        await once(udp, "listening");
        const upstream = new FakeUpstream(port, script);
        udp.on("message", (raw, from) => {
          upstream.#answer(raw, { tcp: false, port: from.port }, (reply) => udp.send(reply, from.port, from.address));
        });
        server.on("connection", (socket) => upstream.#serve(socket));
        t.after(async () => {
          udp.close();
          for (const socket of upstream.#tcp) {
            socket.destroy();
          }
          server.close();
          await once(server, "close");
        });
        return upstream;
      } catch {
        // Somebody has the UDP port.
        server.close();
        await once(server, "close");
      }
    }
  }

  #serve(socket: Socket): void {
    this.#tcp.add(socket);
    let rest = Buffer.alloc(0);
    socket.on("close", () => this.#tcp.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 2 && rest.length >= rest.readUInt16BE(0) + 2) {
        const end = rest.readUInt16BE(0) + 2;
        const port = socket.remotePort ?? 0;
        this.#answer(
          rest.subarray(2, end),
          { tcp: true, port },
          (reply) => {
            const frame = Buffer.alloc(reply.length + 2);
            frame.writeUInt16BE(reply.length, 0);
            frame.set(reply, 2);
            if (!this.inPieces) {
              socket.write(frame);
              return;
            }
            socket.setNoDelay(true);
            for (const byte of frame) {
              socket.write(Buffer.from([byte]));
            }
          },
          () => socket.destroy(),
        );
        rest = rest.subarray(end);
      }
    });
  }

  #answer(
    raw: Buffer,
    from: { tcp: boolean; port: number },
    send: (reply: Buffer) => void,
    close: () => void = () => {},
  ): void {
    const decoded = packet.decode(raw);
    const [question] = decoded.questions ?? [];
    const query: UpstreamQuery = {
      name: question.name.toLowerCase(),
      type: question.type,
      raw,
      packet: decoded,
      later: (say) => send(reply(query, say)),
      ...from,
    };
    const isProbe = query.type === "HINFO" || (query.type === "NS" && (query.name === "." || query.name === ""));
    (isProbe ? this.probes : this.queries).push(query);
    const said = isProbe && !this.#scriptsProbes ? { rcode: 3 } : this.script(query);
    this.#news.emit("query");
    if (said === "close") {
      close();
      return;
    }
    if (said === "nothing") {
      return;
    }
    const packets = Buffer.isBuffer(said) ? [said] : Array.isArray(said) ? said : [reply(query, said as Say)];
    for (const one of packets) {
      send(one);
    }
  }

  #scriptsProbes = false;

  /** The script answers probes too. */
  scriptProbes(): void {
    this.#scriptsProbes = true;
  }
}

/** A reply to a query, with the question's case as it came. */
export function reply(query: UpstreamQuery, say: Say): Buffer {
  const { rcode = 0, truncated = false, ...parts } = say;
  const encoded = packet.encode({
    type: "response",
    id: query.packet.id,
    flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | (truncated ? packet.TRUNCATED_RESPONSE : 0),
    questions: query.packet.questions,
    ...parts,
  });
  encoded[3] = (encoded[3] & 0xf0) | rcode;
  return encoded;
}

/** "www.example.test 60 A 192.0.2.1" and the like as a record. */
export function record(text: string): Answer {
  const [name, ttl, type, ...data] = text.split(" ");
  const base = { name, ttl: Number(ttl) };
  switch (type) {
    case "SOA": {
      const [mname, rname, serial, refresh, retry, expire, minimum] = data;
      const numbers = { serial: +serial, refresh: +refresh, retry: +retry, expire: +expire, minimum: +minimum };
      return { ...base, type: "SOA", data: { mname, rname, ...numbers } };
    }
    case "MX":
      return { ...base, type: "MX", data: { preference: Number(data[0]), exchange: data[1] } };
    case "SRV":
      return {
        ...base,
        type: "SRV",
        data: { priority: Number(data[0]), weight: Number(data[1]), port: Number(data[2]), target: data[3] },
      };
    case "TXT":
      return { ...base, type: "TXT", data: data.join(" ") };
    case "A":
    case "AAAA":
    case "CNAME":
    case "NS":
    case "PTR":
    case "DNAME":
      return { ...base, type, data: data[0] };
    default:
      throw new Error(`the tests know no records of type ${type}`);
  }
}

/** The SOA of the tests' zones: ttl and minimum in seconds. */
export function soa(zone: string, ttl = 60, minimum = ttl): Answer {
  return record(`${zone} ${ttl} SOA ns.${zone} host.${zone} 1 2 3 4 ${minimum}`);
}

/** How a client asks. */
export interface ClientQuery {
  readonly rd?: boolean;
  readonly cd?: boolean;
  /** Size of OPT; undefined: none. */
  readonly edns?: number;
  readonly dnssec?: boolean;
  readonly id?: number;
}

let lastId = 0;

/** A client's packet. */
export function query(name: string, type: string, { rd = true, cd, edns, dnssec, id }: ClientQuery = {}): Buffer {
  const additionals: Answer[] =
    edns === undefined && dnssec !== true
      ? []
      : [
          {
            type: "OPT",
            name: ".",
            udpPayloadSize: edns ?? 1232,
            flags: dnssec === true ? packet.DNSSEC_OK : 0,
            options: [],
            extendedRcode: 0,
            ednsVersion: 0,
            flag_do: dnssec === true,
          } as unknown as Answer, // Its type wants fields that only decoding gives.
        ];
  return packet.encode({
    type: "query",
    id: id ?? ++lastId & 0xffff,
    flags: (rd ? packet.RECURSION_DESIRED : 0) | (cd === true ? packet.CHECKING_DISABLED : 0),
    questions: [{ name, type: type as "A" }], // The types of dns-packet; tests write them as text.
    additionals,
  });
}

/** A reply in short: code, flags, and lines of records. */
export interface ShortReply {
  readonly rcode: string;
  readonly flags: string;
  readonly answers: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
}

/** Takes a reply apart. Throws when it is broken. */
export function short(reply: Uint8Array): ShortReply {
  const decoded = packet.decode(Buffer.from(reply));
  const flags = [
    decoded.flag_aa && "aa",
    decoded.flag_tc && "tc",
    decoded.flag_rd && "rd",
    decoded.flag_ra && "ra",
    decoded.flag_ad && "ad",
    decoded.flag_cd && "cd",
  ].filter((flag) => typeof flag === "string");
  return {
    rcode: (decoded as unknown as { rcode: string }).rcode, // Decoding gives it; the types forget it.
    flags: flags.join(" "),
    answers: (decoded.answers ?? []).map(line),
    authority: (decoded.authorities ?? []).map(line),
    additional: (decoded.additionals ?? []).map(line),
  };
}

function line(answer: Answer): string {
  if (answer.type === "OPT") {
    return `OPT ${answer.udpPayloadSize}${answer.flags & packet.DNSSEC_OK ? " do" : ""}`;
  }
  const { name, ttl, type, data } = answer as { name: string; ttl: number; type: string; data: unknown };
  const parts = typeof data === "object" && data !== null && !Buffer.isBuffer(data) && !Array.isArray(data);
  return `${name} ${ttl} ${type} ${parts ? Object.values(data).join(" ") : String(data)}`;
}

/** Options in short. */
export interface TestOptions {
  readonly to?: readonly string[];
  readonly route?: Partial<ForwardRoute>;
  readonly forward?: readonly Partial<ForwardRoute>[];
  readonly cache?: Partial<CacheOptions>;
  readonly aliases?: Partial<ResolverOptions["aliases"]>;
  readonly limits?: Partial<ResolverOptions["limits"]>;
  readonly maxUdp?: number;
}

/** Options of a resolver with the defaults of the plugin. */
export function resolverOptions(options: TestOptions): ResolverOptions {
  const route = { zone: "", to: options.to ?? [], policy: "random", tcp: false, timeoutMs: 2_000 } as const;
  const routes = options.forward ?? (options.to === undefined ? [] : [options.route ?? {}]);
  return {
    maxUdp: options.maxUdp ?? 1232,
    aliases: { names: {}, file: undefined, ttl: 30, fallthrough: false, ...options.aliases },
    forward: routes.map((one) => ({ ...route, ...one })),
    cache: {
      positive: 3_600,
      negative: 1_800,
      servfail: 5,
      entries: 10_000,
      bytes: 16 * 1024 * 1024,
      stale: 0,
      ...options.cache,
    },
    limits: { forwards: 1_000, forwardsPerClient: 100, ...options.limits },
  };
}

/** A resolver under a clock that stands still, and a client of it. */
export class ResolverBench {
  readonly clock = new ManualClock();
  readonly lines: { readonly fields: Readonly<Record<string, unknown>>; readonly message: string }[] = [];
  readonly resolver: Resolver;

  constructor(t: TestContext, options: TestOptions, more: { own?: readonly string[]; token?: string } = {}) {
    const log = (fields: Readonly<Record<string, unknown>>, message: string): void => {
      this.lines.push({ fields, message });
    };
    this.resolver = createResolver({
      options: resolverOptions(options),
      log: { info: log, warn: log },
      ownAddresses: () => more.own ?? [],
      loopToken: more.token,
      clock: this.clock,
    });
    t.after(() => this.resolver.close());
  }

  /** The reply to a question. */
  async ask(name: string, type = "A", options: ClientQuery & { client?: string; max?: number; tcp?: boolean } = {}) {
    return short(await this.bytes(name, type, options));
  }

  async bytes(
    name: string,
    type = "A",
    options: ClientQuery & { client?: string; max?: number; tcp?: boolean } = {},
  ): Promise<Uint8Array> {
    const from = {
      address: options.client ?? "192.0.2.7",
      tcp: options.tcp === true,
      maxBytes: options.max ?? (options.tcp === true ? 65_535 : Math.max(512, Math.min(options.edns ?? 0, 1232))),
    };
    const reply = await this.resolver.answer(query(name, type, options), from);
    if (reply === undefined) {
      throw new Error(`no reply to ${name} ${type}`);
    }
    return reply;
  }

  /** "A" records in the answer, by their data. */
  async addresses(name: string): Promise<string[]> {
    return (await this.ask(name)).answers.map((text) => text.split(" ")[3]);
  }
}
