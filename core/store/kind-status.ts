import {
  FLOATS,
  KIND_FLOATS,
  KIND_PHASE,
  KIND_SYNCED,
  KIND_VERSION_BYTES,
  KIND_VERSION_SEQUENCE,
  KIND_VERSION_SIZE,
  KIND_VERSION_TEXT,
  kindAt,
  NOTIFY,
} from "./layout.ts";
import type { Memory } from "./memory.ts";
import type { KindCounter, KindStatus, KindStatusWriter } from "./store.ts";

const TRIES = 1000;
const COUNTERS: readonly KindCounter[] = [
  "events",
  "bytes",
  "lists",
  "watches",
  "reconnects",
  "relists",
  "errors",
  "refused",
  "drift",
  "audits",
  "brokenFrames",
];

/** Writes the counters of one kind. Ingest thread only. */
export class KindStatusCells implements KindStatusWriter {
  readonly #memory: Memory;
  readonly #base: number;
  readonly #floats: number;

  constructor(memory: Memory, kind: number) {
    this.#memory = memory;
    this.#base = kindAt(kind);
    this.#floats = (this.#base + KIND_FLOATS) / 2;
  }

  add(counter: KindCounter, amount: number): void {
    this.#memory.floats[this.#floats + FLOATS[counter]] += amount;
  }

  /** Goes on from the counters of the kind whose place this one takes. */
  addAll(before: KindStatusCells): void {
    for (const counter of COUNTERS) {
      this.add(counter, before.#memory.floats[before.#floats + FLOATS[counter]]);
    }
  }

  synced(value: boolean): void {
    const { words } = this.#memory;
    if (Atomics.exchange(words, this.#base + KIND_SYNCED, value ? 1 : 0) !== (value ? 1 : 0)) {
      Atomics.add(words, NOTIFY, 1);
      Atomics.notify(words, NOTIFY);
    }
  }

  currentAt(nowMs: number): void {
    this.#memory.floats[this.#floats + FLOATS.currentAtMs] = nowMs;
  }

  phase(value: number): void {
    Atomics.store(this.#memory.words, this.#base + KIND_PHASE, value);
  }

  resourceVersion(value: string): void {
    const { words, text } = this.#memory;
    Atomics.add(words, this.#base + KIND_VERSION_SEQUENCE, 1);
    const size = text.write(value, (this.#base + KIND_VERSION_TEXT) * 4, KIND_VERSION_BYTES, "latin1");
    Atomics.store(words, this.#base + KIND_VERSION_SIZE, size);
    Atomics.add(words, this.#base + KIND_VERSION_SEQUENCE, 1);
  }
}

/** The counters of one kind as they are now. Any thread. */
export function readStatus(memory: Memory, kind: number): KindStatus {
  const { words, floats } = memory;
  const base = kindAt(kind);
  const at = (base + KIND_FLOATS) / 2;
  return {
    synced: Atomics.load(words, base + KIND_SYNCED) === 1,
    currentAtMs: floats[at + FLOATS.currentAtMs],
    objects: floats[at + FLOATS.objects],
    events: floats[at + FLOATS.events],
    bytes: floats[at + FLOATS.bytes],
    lists: floats[at + FLOATS.lists],
    watches: floats[at + FLOATS.watches],
    reconnects: floats[at + FLOATS.reconnects],
    relists: floats[at + FLOATS.relists],
    errors: floats[at + FLOATS.errors],
    refused: floats[at + FLOATS.refused],
    drift: floats[at + FLOATS.drift],
    audits: floats[at + FLOATS.audits],
    brokenFrames: floats[at + FLOATS.brokenFrames],
    resourceVersion: readVersion(memory, base),
    phase: Atomics.load(words, base + KIND_PHASE),
  };
}

/** Tries again while the writer is at it; the writer may be dead, so not for ever. */
function readVersion(memory: Memory, base: number): string {
  const { words, text } = memory;
  let version = "";
  for (let i = 0; i < TRIES; i++) {
    const before = Atomics.load(words, base + KIND_VERSION_SEQUENCE);
    const start = (base + KIND_VERSION_TEXT) * 4;
    version = text.toString("latin1", start, start + Atomics.load(words, base + KIND_VERSION_SIZE));
    if ((before & 1) === 0 && Atomics.load(words, base + KIND_VERSION_SEQUENCE) === before) {
      return version;
    }
  }
  return version;
}
