import { parseArgs } from "node:util";
import { pods } from "../../core/kinds/index.ts";
import { messageOfKind } from "../../core/kinds/message.ts";
import type { RowPlan } from "../../core/kinds/plan.ts";
import { RowBuilder } from "../../core/store/row.ts";
import { createListDecoder, type WireFormat } from "../../core/wire/decoder.ts";
import { HashInterner } from "../../core/wire/plain-row.test-support.ts";
import { ProtobufWriter, toProtobuf, toStruct, wrap } from "../../core/wire/sample.test-support.ts";
import { benchPod } from "./loop-pods.ts";
import { median, shown } from "./numbers.ts";

/** Bytes of a list of realistic pods to rows: µs a pod of each way, interleaved, medians. */

const PODS = 1000;
/** What the core bench keeps of a pod. */
const TYPED = pods.select(
  "labels",
  "owners",
  "phase",
  "podIP",
  "hostIP",
  "nodeName",
  "startTime",
  "serviceAccountName",
  "containers.name",
  "containers.image",
  "containerStatuses.name",
  "containerStatuses.ready",
  "containerStatuses.restartCount",
  "ready",
  "restarts",
);
const CHUNK_BYTES = 64 * 1024;

interface Way {
  readonly name: string;
  readonly bytes: Uint8Array;
  run(): void;
}

function ways(): readonly Way[] {
  const objects = Array.from({ length: PODS }, (_, index) => complete(benchPod(index, "full"), index));
  const json = Buffer.from(
    JSON.stringify({ kind: "PodList", apiVersion: "v1", metadata: { resourceVersion: "1" }, items: objects }),
  );
  const message = messageOfKind("v1", "Pod");
  if (message === undefined) {
    throw new Error("the table has no Pod");
  }
  const list = [new ProtobufWriter().bytes(1, new ProtobufWriter().text(2, "1").result).result];
  for (const object of objects) {
    list.push(new ProtobufWriter().bytes(2, toProtobuf(message, toStruct(message, object))).result);
  }
  const protobuf = wrap("v1", "PodList", Buffer.concat(list));
  return [
    { name: "protobuf, typed fields", bytes: protobuf, run: reader(TYPED.plan(), "protobuf", protobuf) },
    { name: "protobuf, every field of the table", bytes: protobuf, run: reader(pods.plan(), "protobuf", protobuf) },
    { name: "JSON, typed fields", bytes: json, run: reader(TYPED.plan(), "json", json) },
    { name: "JSON, typed fields and slim JSON", bytes: json, run: reader(TYPED.keep("slim").plan(), "json", json) },
    { name: "JSON.parse, nothing kept", bytes: json, run: () => void JSON.parse(json.toString("utf8")) },
  ];
}

function complete(pod: ReturnType<typeof benchPod>, index: number): Record<string, unknown> {
  const uid = `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
  const header = { uid, resourceVersion: String(100_000 + index), creationTimestamp: "2026-01-02T03:04:05Z" };
  return { ...pod, metadata: { ...(pod.metadata as object), ...header } };
}

function reader(plan: RowPlan, format: WireFormat, bytes: Uint8Array): () => void {
  const interner = new HashInterner();
  const builder = new RowBuilder();
  return () => {
    let items = 0;
    const decoder = createListDecoder(plan, format, interner, builder, { item: () => items++ });
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      decoder.push(bytes.subarray(at, at + CHUNK_BYTES));
    }
    decoder.end();
    if (items !== PODS) {
      throw new Error(`${items} of ${PODS} pods`);
    }
  };
}

function main(): void {
  const { values } = parseArgs({ options: { runs: { type: "string" }, quick: { type: "boolean" } } });
  const runs = Math.max(5, Number(values.runs ?? 5)) * (values.quick ? 2 : 6);
  const all = ways();
  const times = all.map((): number[] => []);
  for (let run = -3; run < runs; run++) {
    for (const [index, way] of all.entries()) {
      const start = process.cpuUsage();
      way.run();
      const used = process.cpuUsage(start);
      if (run >= 0) {
        times[index].push((used.user + used.system) / PODS);
      }
    }
  }
  const parse = median(times[times.length - 1]);
  const rows = all.map((way, index) => [
    way.name,
    shown(way.bytes.length / PODS / 1000),
    shown(median(times[index])),
    shown(median(times[index]) / parse),
  ]);
  for (const row of rows) {
    console.log(row.join(" | "));
  }
  const typed = median(times[0]);
  console.log(
    JSON.stringify({
      how: [
        `${PODS} pods in one list, in chunks of 64 KiB; CPU of the process, median of ${runs} interleaved runs after three of warm-up.`,
      ],
      tables: [{ title: "Bytes to rows", columns: ["way", "KB a pod", "µs a pod", "of JSON.parse"], rows }],
      bars: [{ what: "protobuf projection of a pod", value: typed, wants: "at most", limit: 8, unit: "µs" }],
    }),
  );
}

main();
