import { pods } from "../kinds/core.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { ownedKind } from "../reconcile/owned-kind.ts";
import { RowBuilder } from "../store/row.ts";
import { createListDecoder, createWatchDecoder, type WireFormat } from "./decoder.ts";
import { MapInterner, plainRow } from "./plain-row.test-support.ts";
import { randomOf } from "./sample.test-support.ts";
import { eventBytes, type Json, joined, listBytes } from "./stream.test-support.ts";

/** What a fuzz run found. */
export interface FuzzResult {
  readonly iterations: number;
  /** Inputs that were read to their end. */
  readonly accepted: number;
  /** Inputs refused, by code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Rows that came out of the inputs. */
  readonly rows: number;
  /** The slowest single input, as CPU time: others may keep the machine busy. */
  readonly slowestMs: number;
  /** What must not be: errors without a code, rows that are not in the input. At most ten are kept. */
  readonly findings: readonly string[];
}

/** Selected so that every way of reading a value is used. */
const PLAN = pods
  .select(
    "labels",
    "annotations",
    "owners",
    "finalizers",
    "generation",
    "phase",
    "podIP",
    "startTime",
    "priority",
    "nodeName",
    "hostNetwork",
    "shareProcessNamespace",
    "containers",
    "containerStatuses",
    "conditions",
    "restarts",
    "containerCount",
    "ready",
  )
  .plan();
const SLIM: RowPlan = pods.select("labels", "phase", "restarts").keep("slim").plan();

const OWNED: RowPlan = ownedKind(pods, ["phase"], "webapp").plan();

/** Above this one input counts as a hang. */
const HANG_MS = 2000;
const MAX_FRAME_BYTES = 64 * 1024;

interface Seed {
  readonly format: WireFormat;
  readonly list: boolean;
  readonly plan: RowPlan;
  readonly bytes: Uint8Array;
}

/** Feeds broken inputs to the decoders. The same seed gives the same inputs. */
export function fuzz(iterations: number, seed: number, progress?: (done: number) => void): FuzzResult {
  const run = new FuzzRun(randomOf(seed));
  for (let i = 0; i < iterations; i++) {
    run.one();
    if (progress && (i + 1) % 100_000 === 0) {
      progress(i + 1);
    }
  }
  return { iterations, ...run.result() };
}

class FuzzRun {
  readonly #random: () => number;
  readonly #seeds: readonly Seed[];
  #accepted = 0;
  #rows = 0;
  #slowestMs = 0;
  readonly #refused: Record<string, number> = {};
  readonly #findings: string[] = [];
  readonly #builder = new RowBuilder();

  constructor(random: () => number) {
    this.#random = random;
    this.#seeds = seeds();
  }

  result(): Omit<FuzzResult, "iterations"> {
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      rows: this.#rows,
      slowestMs: this.#slowestMs,
      findings: this.#findings,
    };
  }

  one(): void {
    const seed = this.#seeds[this.#below(this.#seeds.length)];
    const bytes = this.#mutate(seed.bytes);
    const start = process.cpuUsage();
    try {
      this.#read(seed, bytes);
      this.#accepted++;
    } catch (error) {
      this.#note(error, seed, bytes);
    }
    const used = process.cpuUsage(start);
    const tookMs = (used.user + used.system) / 1000;
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    if (tookMs > HANG_MS) {
      this.#find(`took ${tookMs} ms`, seed, bytes);
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #read(seed: Seed, bytes: Uint8Array): void {
    const interner = new MapInterner();
    const check = (row: RowBuilder): void => this.#check(row, seed, bytes, interner);
    const limits = { maxFrameBytes: MAX_FRAME_BYTES };
    const cut = this.#below(bytes.length + 1);
    const parts = this.#below(2) === 0 ? [bytes] : [bytes.subarray(0, cut), bytes.subarray(cut)];
    const decoder = seed.list
      ? createListDecoder(seed.plan, seed.format, interner, this.#builder, { item: check }, limits)
      : createWatchDecoder(
          seed.plan,
          seed.format,
          interner,
          this.#builder,
          { event: (_, row) => check(row), bookmark: () => {}, error: () => {} },
          limits,
        );
    for (const part of parts) {
      decoder.push(part);
    }
    decoder.end();
  }

  /** A row can be read back, and its name, version and node stand in the input. */
  #check(row: RowBuilder, seed: Seed, bytes: Uint8Array, interner: MapInterner): void {
    this.#rows++;
    const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const plain = plainRow(seed.plan, row.words.subarray(0, row.length), interner) as {
      name: string;
      namespace: string;
      resourceVersion: string;
    };
    if (seed.format === "json" && input.includes("\\")) {
      return;
    }
    for (const text of [plain.name, plain.namespace, plain.resourceVersion]) {
      // What is no UTF-8 is kept as bytes, but cannot be searched for as text.
      if (!text.includes("\ufffd") && !input.includes(text)) {
        this.#find(`"${text}" is not in the input`, seed, bytes);
      }
    }
  }

  #note(error: unknown, seed: Seed, bytes: Uint8Array): void {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (code === "WIRE_STUCK" || !/^WIRE_|^STORE_ROW_TOO_LARGE$/.test(code)) {
      this.#find(error instanceof Error ? `${error.stack}` : String(error), seed, bytes);
      return;
    }
    this.#refused[code] = (this.#refused[code] ?? 0) + 1;
  }

  #find(what: string, seed: Seed, bytes: Uint8Array): void {
    if (this.#findings.length < 10) {
      const input = Buffer.from(bytes).toString("base64").slice(0, 4000);
      this.#findings.push(`${seed.format} ${seed.list ? "list" : "watch"}: ${what}; input ${input}`);
    }
  }

  #mutate(source: Uint8Array): Uint8Array {
    let bytes = Uint8Array.from(source);
    for (let i = this.#below(3); i >= 0; i--) {
      bytes = this.#mutateOnce(bytes);
    }
    return bytes;
  }

  #mutateOnce(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const at = this.#below(bytes.length);
    const to = Math.min(bytes.length, at + this.#below(40));
    switch (this.#below(7)) {
      case 0:
        return Uint8Array.from(bytes.subarray(0, at));
      case 1: {
        const flipped = Uint8Array.from(bytes);
        flipped[at] ^= 1 << this.#below(8);
        return flipped;
      }
      case 2: {
        const changed = Uint8Array.from(bytes);
        changed[at] = this.#below(256);
        return changed;
      }
      case 3:
        return new Uint8Array(joined(bytes.subarray(0, at), bytes.subarray(to)));
      case 4: {
        const other = this.#seeds[this.#below(this.#seeds.length)].bytes;
        const from = this.#below(other.length);
        const piece = other.subarray(from, from + this.#below(200));
        return new Uint8Array(joined(bytes.subarray(0, at), piece, bytes.subarray(to)));
      }
      case 5:
        return new Uint8Array(joined(bytes.subarray(0, to), bytes.subarray(at)));
      default: {
        const noise = Uint8Array.from(
          { length: this.#below(12) },
          () => [0, 0x7f, 0x80, 0xff, 0x22, 0x5c][this.#below(6)],
        );
        return new Uint8Array(joined(bytes.subarray(0, at), noise, bytes.subarray(at)));
      }
    }
  }
}

function seeds(): Seed[] {
  const all: Seed[] = [];
  const status = { metadata: {}, message: "gone", reason: "Expired", code: 410, details: { retryAfterSeconds: 1 } };
  for (const [format, plan] of [
    ["protobuf", PLAN],
    ["json", PLAN],
    ["json", SLIM],
    ["json", OWNED],
  ] as const) {
    const bookmark = { metadata: { resourceVersion: "12", annotations: { "k8s.io/initial-events-end": "true" } } };
    const event = (type: string, kind: string, object: Json): Uint8Array =>
      eventBytes(format, type, "v1", kind, object);
    all.push({
      format,
      plan,
      list: false,
      bytes: joined(
        event("ADDED", "Pod", pod(1)),
        event("BOOKMARK", "Pod", bookmark),
        event("MODIFIED", "Pod", pod(2)),
        event("ERROR", "Status", status),
      ),
    });
    all.push({ format, plan, list: true, bytes: listBytes(format, plan, { resourceVersion: "9" }, [pod(3), pod(4)]) });
  }
  return all;
}

function pod(index: number): Json {
  return {
    metadata: {
      name: `cart-${index}`,
      namespace: "shop",
      uid: "8f14e45f-ceea-467f-a0e6-6a2f1c5b7d10",
      resourceVersion: `10${index}`,
      generation: 3,
      creationTimestamp: "2026-01-31T08:00:00Z",
      labels: { app: "cart", tier: "web" },
      annotations: { note: "line\nbreak" },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "cart", uid: "u-1", controller: true }],
      finalizers: ["example.org/a"],
      managedFields: [
        { manager: "kubectl", fieldsV1: { "f:a": {} } },
        {
          manager: "webapp",
          operation: "Apply",
          fieldsV1: {
            "f:metadata": { "f:labels": { "f:app": {} }, "f:finalizers": { 'v:"example.org/a"': {} } },
            "f:spec": {
              "f:priority": {},
              "f:volumes": {},
              "f:containers": { 'k:{"name":"main"}': { ".": {}, "f:image": {}, "f:resources": {} } },
            },
          },
        },
      ],
    },
    spec: {
      nodeName: "node-1",
      priority: -1,
      hostNetwork: true,
      shareProcessNamespace: false,
      volumes: [{ name: "data", emptyDir: {} }],
      containers: [
        { name: "main", image: "cart:1", ports: [{ containerPort: 80 }], resources: { requests: { cpu: "1" } } },
      ],
    },
    status: {
      phase: "Running",
      podIP: "192.0.2.7",
      startTime: "2026-01-31T08:00:01Z",
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-31T08:00:02Z" }],
      containerStatuses: [
        { name: "main", ready: true, restartCount: 2, state: { running: { startedAt: "2026-01-31T08:00:02Z" } } },
      ],
    },
  };
}
