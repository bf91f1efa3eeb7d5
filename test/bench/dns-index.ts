import { parseArgs } from "node:util";
import { Responder } from "../../plugins/dns/answer.ts";
import { NameIndex } from "../../plugins/dns/name-index.ts";
import { feedZone, type ZoneFeed } from "../../plugins/dns/zone-feed.ts";
import { TEST_ZONE, type TestObject, ZoneTestStore } from "../../plugins/dns/zone-store.test-support.ts";
import { encodeQuery } from "../dns/message.ts";
import { median, shown, spread } from "./numbers.ts";

/** A cluster of services of three endpoints, a tenth of them headless, and one pod for each endpoint. */
interface Size {
  readonly title: string;
  readonly services: number;
}

interface Load {
  readonly store: ZoneTestStore;
  readonly index: NameIndex;
  readonly feed: ZoneFeed;
  readonly buildMs: number;
}

const ENDPOINTS = 3;
const HEADLESS_EVERY = 10;
const NAMESPACES = 40;
/** 300 and 150,000 names: a service, its address and those of its endpoints. */
const SIZES: readonly Size[] = [
  { title: "300 names", services: 35 },
  { title: "150,000 names", services: 19_000 },
];
const ZONE = { ...TEST_ZONE, pods: "disabled", ptr: "endpoints", maxIndexBytes: 256 * 2 ** 20 } as const;
const STORE_BYTES = 512 * 2 ** 20;
const LOOK_UPS = 200_000;

function place(at: number): { readonly name: string; readonly namespace: string } {
  return { name: `service-${at}`, namespace: `team-${at % NAMESPACES}` };
}

function serviceOf(at: number): TestObject {
  const clusterIP = at % HEADLESS_EVERY === 0 ? "None" : `10.${100 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`;
  const ports = [{ name: "http", port: 80, protocol: "TCP" }];
  return {
    kind: "Service",
    metadata: place(at),
    spec: { type: "ClusterIP", clusterIP, clusterIPs: [clusterIP], ports },
  };
}

function sliceOf(at: number, turn: number): TestObject {
  const { name, namespace } = place(at);
  const endpoints = Array.from({ length: ENDPOINTS }, (_, of) => {
    const number = at * 4 + of + (of === 0 ? (turn % 2) * 3 : 0);
    const address = `10.${(number >> 16) & 63}.${(number >> 8) & 255}.${number & 255}`;
    return { addresses: [address], conditions: { ready: true } };
  });
  return {
    kind: "EndpointSlice",
    metadata: { name: `${name}-a`, namespace, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints,
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
  };
}

function loaded({ services }: Size): Load {
  const store = new ZoneTestStore(STORE_BYTES);
  for (let at = 0; at < NAMESPACES; at++) {
    store.apply({ kind: "Namespace", metadata: { name: `team-${at}` } });
  }
  for (let at = 0; at < services; at++) {
    store.apply(serviceOf(at), sliceOf(at, 0));
  }
  store.markSynced();
  const began = performance.now();
  const index = NameIndex.create({ maxBytes: ZONE.maxIndexBytes });
  const feed = feedZone({ store: store.reader, index, zone: ZONE });
  feed.flush();
  return { store, index, feed, buildMs: performance.now() - began };
}

/** One endpoint of a service moves to another address: the store's work is left out, from its commit until the names are there. */
function microsOfAChange(load: Load, services: number, changes: number, turn: number): number {
  const times: number[] = [];
  for (let i = 0; i < changes; i++) {
    load.store.apply(sliceOf((i * 7919) % services, turn));
    load.store.commit();
    const began = performance.now();
    load.feed.flush();
    times.push((performance.now() - began) * 1000);
  }
  return median(times);
}

function nanosOfAnAnswer(load: Load, services: number): number {
  const responder = new Responder(load.index, { zone: ZONE, maxUdp: 1232, recursionAvailable: false });
  const queries = Array.from({ length: 1_000 }, (_, at) => {
    const { name, namespace } = place((at * 7919) % services);
    return encodeQuery({ name: `${name}.${namespace}.svc.cluster.local`, type: "A" });
  });
  const out = new Uint8Array(65_535);
  const began = performance.now();
  for (let i = 0; i < LOOK_UPS; i++) {
    const query = queries[i % queries.length];
    responder.respond(query, query.length, out, false);
  }
  return ((performance.now() - began) / LOOK_UPS) * 1e6;
}

const { values } = parseArgs({ options: { runs: { type: "string" }, quick: { type: "boolean" } } });
const runs = Number(values.runs ?? 5);
const changes = values.quick ? 200 : 2_000;
const figures = SIZES.map(() => ({ build: [] as number[], change: [] as number[], answer: [] as number[] }));
let sizes: readonly { readonly names: number; readonly bytes: number }[] = [];
for (let run = 0; run <= runs; run++) {
  sizes = SIZES.map((size, side) => {
    const load = loaded(size);
    const measured = {
      build: load.buildMs,
      change: microsOfAChange(load, size.services, changes, run + 1),
      answer: nanosOfAnAnswer(load, size.services),
    };
    // The first run warms up.
    if (run > 0) {
      figures[side].build.push(measured.build);
      figures[side].change.push(measured.change);
      figures[side].answer.push(measured.answer);
    }
    const { names, bytes } = load.index.stats;
    load.feed.close();
    load.store.close();
    return { names, bytes };
  });
  console.log(`index of names: run ${run} of ${runs} done`);
}
const row = (what: string, cell: (side: number) => string): string[] => [what, ...SIZES.map((_, side) => cell(side))];
console.log(
  JSON.stringify({
    how: [
      `The index of names alone: services with ${ENDPOINTS} endpoints each, every tenth headless, read from a store in the same process. Full build: from an empty index until every name is there. A change: one endpoint of a service gets another address; from the store's commit until its names and reverse names are there.`,
    ],
    tables: [
      {
        title: "Index of names",
        columns: ["what", ...SIZES.map(({ title }) => title)],
        rows: [
          row("names held", (side) => shown(sizes[side].names)),
          row("full build, ms", (side) => spread(figures[side].build)),
          row("a change, µs", (side) => spread(figures[side].change)),
          row("an answer without sockets, ns", (side) => spread(figures[side].answer)),
          row("bytes a name", (side) => shown(sizes[side].bytes / sizes[side].names)),
        ],
      },
    ],
    bars: [
      {
        what: "a change at 150,000 names against 300",
        value: median(figures[1].change) / median(figures[0].change),
        wants: "at most",
        limit: 3,
        unit: "x",
      },
      { what: "bytes a name", value: sizes[1].bytes / sizes[1].names, wants: "at most", limit: 200, unit: "B" },
    ],
  }),
);
