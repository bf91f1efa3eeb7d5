import { FairleadError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ControllerPlugins } from "./controller-plugins.ts";
import { Health, type HealthOptions, type HealthReport } from "./health.ts";
import type { ControllerMetrics, MetricsOptions } from "./metrics.ts";
import type { FigureSources } from "./metrics-sources.ts";
import type { StatisticsTimer } from "./statistics.ts";
import type { LevelControl, StatusOptions, StatusServer } from "./status-server.ts";

/** What a controller shows of itself; all off by default. */
export interface FigureOptions {
  /** Serves /healthz, /livez, /readyz and /metrics. Default: not served. */
  readonly status?: StatusOptions | undefined;
  /** Where metrics go. Default: a registry of the controller's own, made when `metrics()` or /metrics is first asked. */
  readonly metrics?: MetricsOptions | undefined;
  /** When the controller counts as well. */
  readonly health?: HealthOptions | undefined;
  /** Time between lines of statistics in the log, milliseconds, at least 1000. Default 0: none. */
  readonly statisticsEveryMs?: number | undefined;
}

/** The controller, as its figures see it. */
export interface FigureSite {
  readonly options: FigureOptions;
  readonly log: Logger;
  /** The logger that the embedder gave, which may have a level. */
  readonly levelOf: Logger | undefined;
  readonly store: FigureSources["store"];
  ingest: FigureSources["ingest"];
  election: FigureSources["election"];
  shards: FigureSources["shards"];
  /** Undefined where there are none, or not yet. */
  plugins(): ControllerPlugins | undefined;
  reconcile: FigureSources["reconcile"];
  rest: FigureSources["rest"];
  isStopping(): boolean;
}

/** Health, metrics, status server and statistics of one controller. Each part is loaded when it is first wanted. */
export class ControllerFigures {
  readonly #site: FigureSite;
  readonly #sources: FigureSources;
  readonly #health: Health;
  #metrics: Promise<ControllerMetrics> | undefined;
  #server: StatusServer | undefined;
  #statistics: StatisticsTimer | undefined;
  #shownPlugins: ControllerPlugins | undefined;
  #stopped = false;

  constructor(site: FigureSite) {
    this.#site = site;
    this.#sources = {
      store: site.store,
      ingest: () => site.ingest(),
      election: () => site.election(),
      shards: () => site.shards(),
      plugins: () => pluginFiguresOf(site.plugins()),
      reconcile: () => site.reconcile(),
      rest: () => site.rest(),
    };
    this.#health = new Health(this.#sources, site.isStopping, site.options.health);
  }

  /** Where the status server listens. */
  get statusUrl(): string | undefined {
    return this.#server?.url;
  }

  /** Begins what the options ask for. Throws STATUS_*, METRIC_REGISTRY_TAKEN; `stop` cleans up then too. */
  async start(): Promise<void> {
    const { status, metrics, statisticsEveryMs = 0 } = this.#site.options;
    if (metrics !== undefined || status !== undefined) {
      await this.#openMetrics();
    }
    if (status !== undefined) {
      const { openStatusServer } = await import("./status-server.ts");
      const parts = {
        health: () => this.health(),
        liveness: () => this.#health.liveReport(),
        metrics: () => this.#text(),
        logLevel: status.logLevel ?? levelOf(this.#site.levelOf),
      };
      this.#server = await openStatusServer(status, parts, this.#site.log);
      this.#site.log.info({ url: this.#server.url }, "status served");
    }
    if (statisticsEveryMs > 0) {
      const { StatisticsTimer } = await import("./statistics.ts");
      this.#statistics = new StatisticsTimer(this.#sources, this.#site.log, Math.max(1000, statisticsEveryMs));
    }
  }

  /** Takes the metrics of plugins in, once there are any. Throws METRIC_REGISTRY_TAKEN. */
  async showPlugins(): Promise<void> {
    const plugins = this.#site.plugins();
    const metrics = await this.#metrics;
    if (plugins !== undefined && metrics !== undefined && plugins !== this.#shownPlugins) {
      this.#shownPlugins = plugins;
      metrics.show(plugins.metrics);
    }
  }

  /** Never rejects; takes at most a second. */
  health(): Promise<HealthReport> {
    return this.#health.report();
  }

  /** All metrics, as Prometheus reads them. Throws METRIC_REGISTRY_TAKEN, and CONTROLLER_STOPPED after the end. */
  async metrics(): Promise<string> {
    return (await this.#text()).text;
  }

  /** Ends the status server and the lines of statistics; metrics leave their registry. */
  async stop(): Promise<void> {
    this.#statistics?.stop();
    await this.#server?.close();
    this.#stopped = true;
    const metrics = await this.#metrics?.catch(() => undefined); // told to whoever asked for them
    metrics?.close();
  }

  async #text(): Promise<{ readonly text: string; readonly contentType: string }> {
    const { registry } = await this.#openMetrics();
    await this.#site.plugins()?.host.flush();
    return { text: await registry.metrics(), contentType: registry.contentType };
  }

  async #openMetrics(): Promise<ControllerMetrics> {
    if (this.#stopped || (this.#metrics === undefined && this.#site.isStopping())) {
      throw new FairleadError("CONTROLLER_STOPPED", "the controller was stopped; its metrics are gone");
    }
    this.#metrics ??= import("./metrics.ts").then(({ openMetrics }) =>
      openMetrics(this.#sources, this.#site.options.metrics),
    );
    await this.showPlugins();
    return await this.#metrics;
  }
}

function pluginFiguresOf(plugins: ControllerPlugins | undefined): ReturnType<FigureSources["plugins"]> {
  if (plugins === undefined) {
    return undefined;
  }
  const { host, metrics } = plugins;
  return {
    infos: () => host.infos(),
    hookFigures: () => host.hookFigures(),
    failures: () => host.failures(),
    kubeFigures: () => host.kubeFigures(),
    droppedSamples: () => metrics.dropped(),
    threads: () => host.threads(),
    healthVotes: () => host.healthVotes(),
    stats: () => host.stats(),
  };
}

/** The level of a logger that has one, such as pino's. */
function levelOf(log: Logger | undefined): LevelControl | undefined {
  const hasLevel = (given: Logger): given is Logger & LevelControl =>
    "level" in given && typeof given.level === "string";
  return log !== undefined && hasLevel(log) ? log : undefined;
}
