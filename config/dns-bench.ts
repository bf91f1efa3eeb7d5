import { createSocket, type Socket } from "node:dgram";
import { readFileSync } from "node:fs";
import { connect, type Socket as TcpSocket } from "node:net";
import { FairleadError, messageOf } from "../core/errors.ts";
import { type Place, showPlace } from "../plugins/dns/address.ts";
import { numberOption } from "./cluster-options.ts";
import { type CommandContext, EXIT, type ParsedOptions, textOption } from "./command.ts";
import { type DnsAsked, encodeQuestion, isName, typeNamed } from "./dns-exchange.ts";
import { parseDuration } from "./duration.ts";
import { textTable } from "./text-table.ts";

const DEFAULT_FOR_MS = 10_000;
const DEFAULT_CLIENTS = 16;
const DEFAULT_OUTSTANDING = 64;
/** A question that is not answered within this time is lost, milliseconds. */
const LOST_MS = 2000;
const TICK_MS = 1;
const PREFIX = 2;
const DEFAULT_QUESTION: DnsAsked = { name: "kubernetes.default.svc.cluster.local", type: "A" };

/** What a run found. */
export interface BenchResult {
  readonly sent: number;
  readonly answered: number;
  readonly lost: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly codes: Readonly<Record<string, number>>;
}

/** How to ask. */
interface BenchPlan {
  readonly place: Place;
  readonly packets: readonly Buffer[];
  readonly overTcp: boolean;
  readonly forMs: number;
  /** Questions a second; undefined: as many as are answered. */
  readonly rate: number | undefined;
  readonly clients: number;
  readonly outstanding: number;
  readonly signal: AbortSignal;
}

const CODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"] as const;

/** `fairlead dns bench`: asks as fast as the server answers, or at an even rate, and tells what came back. */
export async function bench(parsed: ParsedOptions, context: CommandContext, place: Place): Promise<number> {
  const names = parsed.arguments.slice(1);
  const file = textOption(parsed, "names");
  const questions = file === undefined ? readWords(names) : readNames(file, names);
  const time = textOption(parsed, "for");
  const result = await new BenchRun({
    place,
    packets: questions.map((asked) => encodeQuestion(asked, 0)),
    overTcp: parsed.values.tcp === true,
    forMs: time === undefined ? DEFAULT_FOR_MS : parseDuration(time),
    rate: numberOption(parsed, "rate"),
    clients: numberOption(parsed, "clients") ?? DEFAULT_CLIENTS,
    outstanding: numberOption(parsed, "outstanding") ?? DEFAULT_OUTSTANDING,
    signal: context.signal,
  }).run();
  if (result.answered === 0) {
    throw new FairleadError(
      "CLI_NO_ANSWER",
      `no answer from ${showPlace(place)}: all ${result.sent} questions were lost`,
    );
  }
  const asJson = textOption(parsed, "output") === "json";
  context.out.write(asJson ? `${JSON.stringify({ server: showPlace(place), ...result })}\n` : resultText(result));
  return EXIT.ok;
}

function readWords(words: readonly string[]): readonly DnsAsked[] {
  if (words.length === 0) {
    return [DEFAULT_QUESTION];
  }
  return [asked(words[0], words[1] ?? "A")];
}

/** A file as dnsperf takes them: a name and a type on each line. */
function readNames(file: string, words: readonly string[]): readonly DnsAsked[] {
  if (words.length > 0) {
    throw new FairleadError("CLI_BAD_ARGUMENT", "name either questions or a file of them with --names");
  }
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new FairleadError("CLI_BAD_VALUE", `--names "${file}" cannot be read: ${messageOf(cause)}`, { cause });
  }
  const lines = text.split("\n").map((line) => line.trim());
  const questions = lines.filter((line) => line !== "" && !/^[#;]/.test(line)).map((line) => line.split(/\s+/));
  if (questions.length === 0) {
    throw new FairleadError(
      "CLI_BAD_VALUE",
      `--names "${file}" has no questions; write a name and a type on each line`,
    );
  }
  return questions.map(([name, type = "A"]) => asked(name, type));
}

function asked(name: string, type: string): DnsAsked {
  const known = typeNamed(type);
  if (known === undefined || !isName(name)) {
    const text = `"${name} ${type}" is no question; write it like ${DEFAULT_QUESTION.name} A`;
    throw new FairleadError("CLI_BAD_ARGUMENT", text);
  }
  return { name, type: known };
}

/** One client: a socket and its questions on their way, by id. */
interface BenchClient {
  send(packet: Buffer): void;
  readonly sentAt: Float64Array;
  outstanding: number;
  nextId: number;
  /** No question before this one is on its way. */
  oldestId: number;
}

class BenchRun {
  readonly #plan: BenchPlan;
  readonly #sockets: (Socket | TcpSocket)[] = [];
  readonly #latencies: number[] = [];
  readonly #codes = new Map<string, number>();
  #sent = 0;
  #lost = 0;
  #next = 0;
  #isSending = true;

  constructor(plan: BenchPlan) {
    this.#plan = plan;
  }

  async run(): Promise<BenchResult> {
    const { clients: count, forMs, rate } = this.#plan;
    const clients: BenchClient[] = [];
    try {
      for (let i = 0; i < count; i++) {
        clients.push(await this.#client());
      }
      const startedAt = performance.now();
      await this.#send(clients, startedAt + forMs);
      const seconds = (performance.now() - startedAt) / 1000;
      this.#isSending = false;
      await this.#drain(clients);
      return this.#result(rate === undefined ? seconds : forMs / 1000);
    } finally {
      for (const socket of this.#sockets) {
        "destroy" in socket ? socket.destroy() : socket.close();
      }
    }
  }

  async #send(clients: readonly BenchClient[], endsAt: number): Promise<void> {
    const { rate, signal } = this.#plan;
    const startedAt = performance.now();
    if (rate === undefined) {
      for (const client of clients) {
        this.#fill(client);
      }
    }
    while (performance.now() < endsAt && !signal.aborted) {
      if (rate !== undefined) {
        const due = Math.floor(((performance.now() - startedAt) * rate) / 1000);
        while (this.#sent < due) {
          this.#ask(clients[this.#sent % clients.length]);
        }
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      this.#expire(clients);
    }
  }

  async #drain(clients: readonly BenchClient[]): Promise<void> {
    const endsAt = performance.now() + LOST_MS;
    while (clients.some(({ outstanding }) => outstanding > 0) && performance.now() < endsAt) {
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    this.#lost += clients.reduce((sum, { outstanding }) => sum + outstanding, 0);
  }

  /** So many questions as may be on their way. */
  #fill(client: BenchClient): void {
    while (this.#isSending && client.outstanding < this.#plan.outstanding) {
      this.#ask(client);
    }
  }

  #ask(client: BenchClient): void {
    const { packets } = this.#plan;
    const packet = Buffer.from(packets[this.#next++ % packets.length]);
    const id = client.nextId;
    client.nextId = (id + 1) & 0xffff;
    if (client.sentAt[id] > 0) {
      // Its number comes round: whatever it was is lost.
      this.#lost++;
      client.outstanding--;
    }
    packet.writeUInt16BE(id, 0);
    client.sentAt[id] = performance.now();
    client.outstanding++;
    this.#sent++;
    client.send(packet);
  }

  #answered(client: BenchClient, message: Buffer): void {
    if (message.length < 4) {
      return;
    }
    const id = message.readUInt16BE(0);
    const sentAt = client.sentAt[id];
    if (sentAt === 0) {
      return;
    }
    client.sentAt[id] = 0;
    client.outstanding--;
    this.#latencies.push(performance.now() - sentAt);
    const rcode = message[3] & 15;
    const code = CODES[rcode] ?? `RCODE${rcode}`;
    this.#codes.set(code, (this.#codes.get(code) ?? 0) + 1);
    if (this.#plan.rate === undefined) {
      this.#fill(client);
    }
  }

  /** Questions that nobody answered make room for others. */
  #expire(clients: readonly BenchClient[]): void {
    const oldest = performance.now() - LOST_MS;
    for (const client of clients) {
      while (client.oldestId !== client.nextId && client.sentAt[client.oldestId] < oldest) {
        if (client.sentAt[client.oldestId] > 0) {
          client.sentAt[client.oldestId] = 0;
          client.outstanding--;
          this.#lost++;
        }
        client.oldestId = (client.oldestId + 1) & 0xffff;
      }
      if (this.#plan.rate === undefined) {
        this.#fill(client);
      }
    }
  }

  async #client(): Promise<BenchClient> {
    const client = { sentAt: new Float64Array(65_536), outstanding: 0, nextId: 0, oldestId: 0 };
    const sends = this.#plan.overTcp ? await this.#tcp(client) : await this.#udp(client);
    return Object.assign(client, { send: sends });
  }

  async #udp(client: Omit<BenchClient, "send">): Promise<BenchClient["send"]> {
    const { address, port } = this.#plan.place;
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    this.#sockets.push(socket);
    // A port that nobody has is told; the question counts as lost.
    socket.on("error", () => {});
    await new Promise<void>((resolve) => socket.connect(port, address, () => resolve()));
    const whole: BenchClient = Object.assign(client, { send: (packet: Buffer) => socket.send(packet) });
    socket.on("message", (message) => this.#answered(whole, message));
    return whole.send;
  }

  async #tcp(client: Omit<BenchClient, "send">): Promise<BenchClient["send"]> {
    const { address, port } = this.#plan.place;
    const socket = connect({ host: address, port, noDelay: true });
    this.#sockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", (cause: Error) => {
        const text = `no answer from ${showPlace({ address, port })}: ${messageOf(cause)}`;
        reject(new FairleadError("CLI_NO_ANSWER", text, { cause }));
      });
    });
    socket.on("error", () => {});
    const size = Buffer.alloc(PREFIX);
    const whole: BenchClient = Object.assign(client, {
      send: (packet: Buffer) => {
        size.writeUInt16BE(packet.length, 0);
        socket.write(Buffer.concat([size, packet]));
      },
    });
    let rest: Buffer = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (rest.length >= PREFIX && rest.length >= PREFIX + rest.readUInt16BE(0)) {
        const end = PREFIX + rest.readUInt16BE(0);
        this.#answered(whole, rest.subarray(PREFIX, end));
        rest = rest.subarray(end);
      }
    });
    return whole.send;
  }

  #result(seconds: number): BenchResult {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (part: number): number =>
      Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0) * 1000) / 1000;
    return {
      sent: this.#sent,
      answered: sorted.length,
      lost: this.#lost,
      perSecond: Math.round(sorted.length / seconds),
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      longestMs: at(1),
      codes: Object.fromEntries(this.#codes),
    };
  }
}

function resultText({ sent, answered, lost, perSecond, p50Ms, p99Ms, longestMs, codes }: BenchResult): string {
  const rows = [
    ["sent", String(sent)],
    ["answered", String(answered)],
    ["lost", String(lost)],
    ["answers a second", String(perSecond)],
    ["p50 ms", String(p50Ms)],
    ["p99 ms", String(p99Ms)],
    ["longest ms", String(longestMs)],
    ...Object.entries(codes).map(([code, count]) => [`  ${code}`, String(count)]),
  ];
  return textTable(["what", "value"], rows, ["value"]);
}
