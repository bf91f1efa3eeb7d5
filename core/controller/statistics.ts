import { codeOf, messageOf } from "../errors.ts";
import type { LogFields, Logger } from "../log.ts";
import type { FigureSources } from "./metrics-sources.ts";

/** Figures of a plugin in one line; more are left out. */
const MOST_FIGURES = 50;

/** What has been counted so far, at one moment. */
export interface StatisticsReading {
  readonly atMs: number;
  readonly objects: Readonly<Record<string, number>>;
  readonly events: number;
  readonly reconnects: number;
  readonly relists: number;
  readonly errors: number;
  readonly drift: number;
  readonly hooks: {
    readonly calls: number;
    readonly errors: number;
    /** The tap with the longest call of all. */
    readonly slowest?: { readonly hook: string; readonly plugin: string; readonly longestMs: number };
  };
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly storeBytes: number;
  readonly cpuMs: number;
}

/** Fields of the line of statistics: sizes as they are now, all else since the reading before. Pure. */
export function statisticsOf(
  before: StatisticsReading,
  now: StatisticsReading,
  plugins: ReadonlyMap<string, unknown> = new Map(),
): LogFields {
  const elapsedMs = Math.max(1, now.atMs - before.atMs);
  const since = (pick: (reading: StatisticsReading) => number): number => Math.max(0, pick(now) - pick(before));
  const figures = [...plugins].flatMap(([plugin, given]) => {
    const numbers = numbersOf(given);
    return numbers === undefined ? [] : [[plugin, numbers]];
  });
  const { slowest } = now.hooks;
  return {
    seconds: Math.round(elapsedMs / 100) / 10,
    objects: now.objects,
    events: since(({ events }) => events),
    reconnects: since(({ reconnects }) => reconnects),
    relists: since(({ relists }) => relists),
    errors: since(({ errors }) => errors),
    drift: since(({ drift }) => drift),
    hookCalls: since(({ hooks }) => hooks.calls),
    hookErrors: since(({ hooks }) => hooks.errors),
    ...(slowest === undefined
      ? {}
      : { slowestHook: `${slowest.plugin} ${slowest.hook}`, slowestHookMs: Math.round(slowest.longestMs * 100) / 100 }),
    residentMb: megabytes(now.residentBytes),
    heapMb: megabytes(now.heapBytes),
    storeMb: megabytes(now.storeBytes),
    cpuPercent: Math.round((since(({ cpuMs }) => cpuMs) / elapsedMs) * 1000) / 10,
    ...(figures.length === 0 ? {} : { plugins: Object.fromEntries(figures) }),
  };
}

/** Reads what has been counted so far. */
export function readStatistics({ store, plugins }: FigureSources, atMs = performance.now()): StatisticsReading {
  const kinds = store.kinds.map((kind) => ({ kind, status: store.status(kind) }));
  type Status = (typeof kinds)[number]["status"];
  const sum = (pick: (status: Status) => number): number =>
    kinds.reduce((total, { status }) => total + pick(status), 0);
  const hooks = plugins()?.hookFigures() ?? [];
  const [slowest] = hooks.toSorted((a, b) => b.longestMs - a.longestMs);
  const cpu = process.cpuUsage();
  return {
    atMs,
    objects: Object.fromEntries(kinds.map(({ kind, status }) => [kind, status.objects])),
    events: sum(({ events }) => events),
    reconnects: sum(({ reconnects }) => reconnects),
    relists: sum(({ relists }) => relists),
    errors: sum(({ errors }) => errors),
    drift: sum(({ drift }) => drift),
    hooks: {
      calls: hooks.reduce((total, { calls }) => total + calls, 0),
      errors: hooks.reduce((total, { errors }) => total + errors, 0),
      ...(slowest === undefined ? {} : { slowest }),
    },
    residentBytes: process.memoryUsage.rss(),
    heapBytes: process.memoryUsage().heapUsed,
    storeBytes: store.stats().segments.bytes,
    cpuMs: (cpu.user + cpu.system) / 1000,
  };
}

/** Logs one line of statistics now and then, until `stop`. A plugin that takes long makes its line late, never doubled. */
export class StatisticsTimer {
  readonly #sources: FigureSources;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #before: StatisticsReading;
  #underWay = false;
  #stopped = false;

  constructor(sources: FigureSources, log: Logger, everyMs: number) {
    this.#sources = sources;
    this.#log = log;
    this.#before = readStatistics(sources);
    this.#timer = setInterval(() => {
      void this.#tell(); // rejects never
    }, everyMs);
    this.#timer.unref();
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  async #tell(): Promise<void> {
    if (this.#underWay) {
      return;
    }
    this.#underWay = true;
    try {
      const plugins = await this.#sources.plugins()?.stats();
      if (!this.#stopped) {
        const now = readStatistics(this.#sources);
        this.#log.info(statisticsOf(this.#before, now, plugins), "statistics");
        this.#before = now;
      }
    } catch (error) {
      this.#log.warn({ code: codeOf(error), detail: messageOf(error) }, "statistics not told");
    } finally {
      this.#underWay = false;
    }
  }
}

/** The numbers among what a plugin gave; undefined where there are none. */
function numbersOf(given: unknown): Readonly<Record<string, number>> | undefined {
  if (typeof given !== "object" || given === null) {
    return undefined;
  }
  const numbers = Object.entries(given).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number" && Number.isFinite(entry[1]),
  );
  return numbers.length === 0 ? undefined : Object.fromEntries(numbers.slice(0, MOST_FIGURES));
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}
