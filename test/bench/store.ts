import { once } from "node:events";
import { extname } from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { RowBuilder } from "../../core/store/row.ts";
import { median } from "./numbers.ts";
import { loadedStore } from "./store-load.ts";

const SMALL = 4_000;
const LARGE = 150_000;
const UPDATES_PER_SECOND = 10_000;

/** Microseconds of one update with its share of commits (one for 10 updates) and of housekeeping. */
function microsPerPut(load: ReturnType<typeof loadedStore>, count: number, puts: number): number {
  // Rows are made before, so that only the store is measured.
  const rows: RowBuilder[] = [];
  for (let i = 0; i < puts; i++) {
    const made = load.row((i * 7919) % count);
    const copy = new RowBuilder(made.length);
    copy.words.set(made.words.subarray(0, made.length));
    copy.length = made.length;
    rows.push(copy);
  }
  const began = performance.now();
  for (let i = 0; i < puts; i++) {
    load.kind.put(rows[i]);
    if (i % 10 === 9) {
      load.writer.commit();
    }
    if (i % 2_500 === 2_499) {
      load.writer.maintain(i / 10);
    }
  }
  return ((performance.now() - began) / puts) * 1000;
}

function bytesPerObject(count: number): { readonly all: number; readonly records: number; readonly indexes: number } {
  const { store } = loadedStore(count);
  const { kinds, dictionary } = store.reader().stats();
  const { bytes, indexBytes } = kinds.pods;
  store.close();
  const records = bytes / count;
  const indexes = indexBytes / count;
  return { all: records + indexes + dictionary.bytes / count, records, indexes };
}

async function readsPerSecond(forMs: number): Promise<{ readonly reads: number; readonly updates: number }> {
  const { store, writer, kind, keys, row } = loadedStore(SMALL);
  const worker = new Worker(new URL(`./store-reader${extname(import.meta.url)}`, import.meta.url), {
    workerData: { handle: store.handle(), keys, forMs },
  });
  let result: { readonly readsPerSecond: number } | undefined;
  worker.on("message", (message: { readonly readsPerSecond: number }) => {
    result = message;
  });
  await once(worker, "online");
  const began = performance.now();
  let updates = 0;
  let maintained = began;
  while (result === undefined) {
    const now = performance.now();
    for (const due = ((now - began) / 1000) * UPDATES_PER_SECOND; updates < due; updates++) {
      kind.put(row((updates * 31) % SMALL));
      if (updates % 50 === 49) {
        writer.commit();
      }
    }
    if (now - maintained > 250) {
      maintained = now;
      writer.maintain(now);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await worker.terminate();
  store.close();
  return { reads: result.readsPerSecond, updates: updates / ((performance.now() - began) / 1000) };
}

const { values } = parseArgs({ options: { runs: { type: "string" }, quick: { type: "boolean" } } });
const runs = Number(values.runs ?? 5);
const puts = values.quick ? 20_000 : 100_000;
const small: number[] = [];
const large: number[] = [];
const reads: number[] = [];
const updates: number[] = [];
const loads = [loadedStore(SMALL), loadedStore(LARGE)];
for (let run = 0; run < runs; run++) {
  small.push(microsPerPut(loads[0], SMALL, puts));
  large.push(microsPerPut(loads[1], LARGE, puts));
  const result = await readsPerSecond(values.quick ? 500 : 2000);
  reads.push(result.reads);
  updates.push(result.updates);
  console.log(
    `run ${run + 1}: ${small[run].toFixed(2)} and ${large[run].toFixed(2)} µs a put, ${(reads[run] / 1e6).toFixed(2)} M reads/s under ${Math.round(updates[run])} updates/s`,
  );
}
const bytes = bytesPerObject(SMALL);
console.log(
  JSON.stringify({
    how: [
      "Pods with the fields that the core bench follows, and their indexes. A read finds a pod by namespace and name and reads two fields, in a thread of its own, 50 to a snapshot, while this thread updates. A put is an update of a pod; rows are made before; commits (one for ten) and housekeeping are in it.",
    ],
    tables: [
      {
        title: "Store",
        columns: ["what", "median"],
        rows: [
          ["bytes an object: record", bytes.records.toFixed(0)],
          ["bytes an object: tables and posting lists", bytes.indexes.toFixed(0)],
          ["bytes an object in all, with its share of strings", bytes.all.toFixed(0)],
          [`put with ${SMALL} objects`, `${median(small).toFixed(2)} µs`],
          [`put with ${LARGE} objects`, `${median(large).toFixed(2)} µs`],
          ["updates a second during reads", median(updates).toFixed(0)],
        ],
      },
    ],
    bars: [
      {
        what: "reads by key under 10,000 updates/s",
        value: median(reads) / 1e6,
        wants: "at least",
        limit: 3,
        unit: "M/s",
      },
      { what: "bytes a typed pod, all in", value: bytes.all, wants: "at most", limit: 400, unit: "B" },
      {
        what: `put at ${LARGE} objects against ${SMALL}`,
        value: median(large) / median(small),
        wants: "at most",
        limit: 1.5,
        unit: "x",
      },
    ],
  }),
);
