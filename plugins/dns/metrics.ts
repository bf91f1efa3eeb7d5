import type { Counter, PluginMetrics } from "../../core/api/index.ts";
import {
  type BucketCells,
  COUNTED_TYPES,
  type Counters,
  dnssecOkCell,
  durationCells,
  PLAIN,
  type PlainFigure,
  RCODES,
  type ResponseCell,
  requestCells,
  responseCells,
  SIZE_BUCKETS,
  SOURCES,
  sizeCells,
  TIME_BUCKETS,
  ZONES,
} from "./counters.ts";
import { EXTRA_FIGURES } from "./server-figures.ts";
import { programmingHistogram } from "./zone-programming.ts";

/** What the plugin figures that are no counters of CoreDNS mean. */
const HELP: Readonly<Record<PlainFigure, string>> = {
  silent: "Packets that got no answer: answers themselves, packets too short, our own.",
  malformed: "Packets that are no proper question.",
  truncated: "Answers that were cut to the size that their client takes.",
  aclRefused: "Questions of clients that may not ask.",
  recursionRefused: "Questions for other names, of clients that may not ask for them.",
  rateLimited: "Answers that were held back since their client asked too much.",
  panics: "Questions whose answer failed within the program.",
  sendErrors: "Answers that the system did not send.",
  replyQueueFull: "Questions dropped since too many answers waited for the network.",
  hookCalls: "Questions that the taps of dns.query were asked.",
  hookAnswers: "Answers given by taps of dns.query.",
  hookVetoes: "Questions that taps of dns.query refused.",
  hookSkipped: "Questions that went past dns.query since too many waited for it.",
  hookLate: "Questions that dns.query did not answer in time.",
  logLines: "Lines of the query log.",
  tcpAccepted: "TCP connections.",
  tcpClosedIdle: "TCP connections ended since they asked nothing for too long.",
  tcpClosedFirstByte: "TCP connections ended since they never asked anything.",
  tcpClosedShort: "TCP connections ended since they sent what is no DNS.",
  tcpClosedSlowReader: "TCP connections ended since their client took no answers.",
  tcpClosedFull: "TCP connections ended to make room for new ones.",
  tcpRefusedFull: "TCP connections refused since there were too many.",
  tcpRefusedClient: "TCP connections refused since their client had too many.",
  tcpOpen: "Open TCP connections.",
  takenOver: "Questions that came while no thread was there, and were answered by the next one.",
  receiveBuffer: "Receive buffer of a UDP socket that the system granted, bytes; the smallest.",
};
const GAUGES: readonly PlainFigure[] = ["tcpOpen", "receiveBuffer"];

/** Names of a zone and of the plugin that answered, as dashboards of CoreDNS know them. */
const PLUGIN_OF = {
  zone: "kubernetes",
  alias: "hosts",
  cache: "cache",
  forward: "forward",
  hook: "hook",
  server: "server",
} as const satisfies Readonly<Record<(typeof SOURCES)[number], string>>;

type Write = (deltas: readonly Float64Array[]) => void;

/** Takes what the threads counted over into the metrics. Call it once a second. */
export interface MetricRoll {
  roll(): void;
  /** Questions so far, of all threads. */
  readonly queries: number;
  /** The same for a figure without labels. */
  sum(figure: PlainFigure): number;
}

/** Declares the metrics of the plugin and of CoreDNS' names. `zone`: the cluster's; `server`: where it answers. */
export function metricRoll(
  metrics: PluginMetrics,
  counters: readonly Counters[],
  names: { readonly zone: string; readonly server: string },
): MetricRoll {
  const core = metrics.named("coredns");
  programmingHistogram(metrics);
  const zoneLabels = { own: `${names.zone}.`, other: ".", dropped: "dropped" } as const;
  const server = [names.server];
  const base = { server: names.server, view: "" };
  const closed = { server, zone: Object.values(zoneLabels), view: [""] };
  const last = counters.map(({ cells }) => cells.slice().fill(0));
  const writes: Write[] = [
    ...requestWrites(),
    ...responseWrites(),
    ...sizeWrites("requests", "dns_request_size_bytes", "Size of questions, bytes."),
    ...sizeWrites("responses", "dns_response_size_bytes", "Size of answers, bytes."),
    ...durationWrites(),
    ...plainWrites(),
  ];
  const extras = extraWrites();
  let queries = 0;

  return {
    get queries() {
      return queries;
    },
    sum: (figure) => counters.reduce((sum, one) => sum + one.get(figure), 0),
    roll() {
      const deltas = counters.map(({ cells }, worker) => {
        const delta = cells.map((value, at) => value - last[worker][at]);
        last[worker].set(cells);
        return delta;
      });
      for (const write of writes) {
        write(deltas);
      }
      for (const write of extras) {
        write();
      }
    },
  };

  function requestWrites(): Write[] {
    const requests = core.counter("dns_requests_total", "Questions.", {
      ...closed,
      proto: ["udp", "tcp"],
      family: ["1", "2"],
      type: COUNTED_TYPES,
    });
    const withDo = core.counter("dns_do_requests_total", "Questions that want DNSSEC.", closed);
    return [
      addEach(requestCells(), (by, { proto, family, zone, type }) => {
        queries += by;
        requests.add(by, { ...base, zone: zoneLabels[zone], proto, family, type });
      }),
      ...ZONES.map((zone) => addTo(dnssecOkCell(zone), (by) => withDo.add(by, { ...base, zone: zoneLabels[zone] }))),
    ];
  }

  function responseWrites(): Write[] {
    const responses = core.counter("dns_responses_total", "Answers.", {
      ...closed,
      rcode: RCODES,
      plugin: SOURCES.map((source) => PLUGIN_OF[source]),
    });
    const add = (by: number, { zone, source, rcode }: ResponseCell): void =>
      responses.add(by, { ...base, zone: zoneLabels[zone], rcode, plugin: PLUGIN_OF[source] });
    return [addEach(responseCells(), add)];
  }

  function sizeWrites(what: "requests" | "responses", name: string, help: string): Write[] {
    const labels = { server, view: [""], proto: ["udp", "tcp"] };
    const sizes = core.histogram(name, help, { buckets: SIZE_BUCKETS, labels });
    return (["udp", "tcp"] as const).flatMap((proto) =>
      observeIn(sizeCells(what, proto), (value, times) => sizes.observeMany(value, times, { ...base, proto })),
    );
  }

  function durationWrites(): Write[] {
    const seconds = core.histogram("dns_request_duration_seconds", "Time from a question to its answer.", {
      buckets: TIME_BUCKETS,
      labels: closed,
    });
    return ZONES.flatMap((zone) =>
      observeIn(durationCells(zone), (value, times) =>
        seconds.observeMany(value, times, { ...base, zone: zoneLabels[zone] }),
      ),
    );
  }

  function plainWrites(): Write[] {
    const panics = core.counter("panics_total", "Questions whose answer failed within the program.");
    return PLAIN.map((figure): Write => {
      const name = snake(figure);
      if (GAUGES.includes(figure)) {
        const gauge = metrics.gauge(name, HELP[figure]);
        return () => gauge.set(gaugeOf(figure));
      }
      const counter = metrics.counter(`${name}_total`, HELP[figure]);
      let seen = 0;
      return () => {
        const now = counters.reduce((sum, one) => sum + one.get(figure), 0);
        if (now > seen) {
          counter.add(now - seen);
          if (figure === "panics") {
            panics.add(now - seen);
          }
          seen = now;
        }
      };
    });
  }

  function gaugeOf(figure: PlainFigure): number {
    const values = counters.map((one) => one.get(figure));
    return figure === "receiveBuffer" ? Math.min(...values) : values.reduce((sum, value) => sum + value, 0);
  }

  function extraWrites(): (() => void)[] {
    const hits = core.counter("cache_hits_total", "Answers out of the cache.", { server, zones: ["."], view: [""] });
    const misses = core.counter("cache_misses_total", "Questions that the cache had no answer to.", {
      server,
      zones: ["."],
      view: [""],
    });
    const known: Readonly<Record<string, Counter<{ server: string[]; zones: string[]; view: string[] }>>> = {
      cache_hits_total: hits,
      cache_misses_total: misses,
    };
    return EXTRA_FIGURES.map(({ type, metric, help, scale = 1 }, at) => {
      if (type === "gauge") {
        const gauge = metrics.gauge(metric, help);
        return () => gauge.set(counters.reduce((sum, one) => sum + one.getExtra(at), 0) * scale);
      }
      const counter = metrics.counter(metric, help);
      const seen = counters.map(() => 0);
      return () => {
        for (const [worker, one] of counters.entries()) {
          const now = one.getExtra(at);
          // A thread that was started anew begins at 0 again.
          const by = now >= seen[worker] ? now - seen[worker] : now;
          seen[worker] = now;
          if (by > 0) {
            counter.add(by * scale);
            known[metric]?.add(by, { ...base, zones: "." });
          }
        }
      };
    });
  }
}

/** The same for many cells; of most of them nothing is ever counted, so nothing is kept for each. */
function addEach<Cell extends { readonly at: number }>(
  cells: readonly Cell[],
  add: (by: number, cell: Cell) => void,
): Write {
  return (deltas) => {
    for (const cell of cells) {
      let by = 0;
      for (const delta of deltas) {
        by += delta[cell.at];
      }
      if (by > 0) {
        add(by, cell);
      }
    }
  };
}

/** Adds what a cell grew by, summed over threads. */
function addTo(at: number, add: (by: number) => void): Write {
  return addEach([{ at }], add);
}

/** Observes what the buckets grew by: each with the mean of what fell into it. */
function observeIn({ at, width }: BucketCells, observe: (value: number, times: number) => void): Write[] {
  return Array.from({ length: width }, (_, bucket): Write => {
    const cell = at + bucket * 2;
    return (deltas) => {
      let times = 0;
      let sum = 0;
      for (const delta of deltas) {
        times += delta[cell];
        sum += delta[cell + 1];
      }
      if (times > 0) {
        observe(sum / times, times);
      }
    };
  });
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
