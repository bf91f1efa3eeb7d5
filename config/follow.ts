import type { Controller } from "../core/controller/create-controller.ts";
import { FairleadError } from "../core/errors.ts";
import { type Logger, silentLogger } from "../core/log.ts";
import type { CommandContext } from "./command.ts";
import { FigureMeter } from "./figures.ts";
import { painted, renderLoading, renderSummary } from "./screen.ts";
import { type ClusterTotals, type KindRow, kindRows, totals } from "./totals.ts";

/** How `run` and `demo` show what they follow. */
export interface FollowOptions {
  /** End after this long; without it, run until a signal. */
  readonly forMs?: number;
  /** `text`: one live screen; `json`: one JSON object a line; `log`: two lines in the log. */
  readonly output: "text" | "json" | "log";
  /** Milliseconds between status lines of `json` output. */
  readonly statusEveryMs: number;
  /** What is followed, for the heading: a server address or "simulated cluster". */
  readonly title: string;
  /** Where `log` output goes. Default: nowhere. */
  readonly log?: Logger;
}

const PROGRESS_EVERY_MS = 250;
const SCREEN_EVERY_MS = 500;

/** Shows what happens. */
interface Display {
  loading(rows: readonly KindRow[], seconds: number): void;
  synced(rows: readonly KindRow[], seconds: number): void;
  status(rows: readonly KindRow[], seconds: number): void;
  /** Milliseconds between calls of `status`; 0: none. */
  readonly statusEveryMs: number;
  end(last: ClusterTotals, seconds: number): void;
}

/**
 * Starts the controller, shows its progress and then its state until told to end, stops it, and shows the figures. What
 * `onStarted` gives lives from the start to the stop.
 */
export async function follow(
  controller: Controller,
  options: FollowOptions,
  context: CommandContext,
  onStarted?: () => AsyncDisposable,
): Promise<void> {
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const display = displayOf(options, context.out);
  let live: AsyncDisposable | undefined;
  try {
    await load(controller, options, context.signal, () => display.loading(kindRows(controller), seconds()));
    if (!context.signal.aborted) {
      display.synced(kindRows(controller), seconds());
      live = onStarted?.();
      await untilEnd(options, context.signal, display.statusEveryMs, () =>
        display.status(kindRows(controller), seconds()),
      );
    }
  } finally {
    const last: ClusterTotals = totals(kindRows(controller));
    // Both at once: what is still being taken over ends with the controller.
    await Promise.all([live?.[Symbol.asyncDispose](), controller.stop()]);
    display.end(last, seconds());
  }
}

function displayOf(options: FollowOptions, out: NodeJS.WriteStream): Display {
  switch (options.output) {
    case "text":
      return screenDisplay(options.title, out);
    case "json":
      return lineDisplay(options.statusEveryMs, out);
    case "log":
      return logDisplay(options.log ?? silentLogger);
  }
}

const jsonLine = (type: string, fields: object): string => `${JSON.stringify({ type, ...fields })}\n`;
const tenths = (value: number): number => Math.round(value * 10) / 10;

function screenDisplay(title: string, out: NodeJS.WriteStream): Display {
  const meter = new FigureMeter();
  const screen = liveScreen(out);
  return {
    statusEveryMs: SCREEN_EVERY_MS,
    loading: (rows, seconds) => screen.draw(renderLoading(title, rows, seconds)),
    synced: (rows, seconds) => screen.draw(renderLoading(title, rows, seconds)),
    status: (rows, seconds) => screen.draw(renderSummary(title, rows, meter.read(), seconds)),
    end(last, seconds) {
      screen.end();
      out.write(jsonLine("end", { seconds: tenths(seconds), ...last, ...meter.read() }));
      meter.stop();
    },
  };
}

function lineDisplay(statusEveryMs: number, out: NodeJS.WriteStream): Display {
  const meter = new FigureMeter();
  const loading = (rows: readonly KindRow[], seconds: number): void => {
    for (const { kind, synced, objects, bytes } of rows) {
      const objectsPerSecond = Math.round(objects / Math.max(seconds, 0.001));
      out.write(jsonLine("progress", { kind, synced, objects, bytes, objectsPerSecond }));
    }
  };
  return {
    statusEveryMs,
    loading,
    synced(rows, seconds) {
      loading(rows, seconds);
      out.write(jsonLine("synced", { ms: Math.round(seconds * 1000), ...totals(rows) }));
    },
    status: (rows) => out.write(jsonLine("status", { ...totals(rows), ...meter.read() })),
    end(last, seconds) {
      out.write(jsonLine("end", { seconds: tenths(seconds), ...last, ...meter.read() }));
      meter.stop();
    },
  };
}

function logDisplay(log: Logger): Display {
  const ignore = (): void => {};
  return {
    statusEveryMs: 0,
    loading: ignore,
    status: ignore,
    synced: (rows, seconds) => log.info({ seconds: tenths(seconds), ...totals(rows) }, "cluster followed"),
    end: (last, seconds) => log.info({ seconds: tenths(seconds), ...last }, "ended"),
  };
}

async function load(
  controller: Controller,
  options: FollowOptions,
  signal: AbortSignal,
  show: () => void,
): Promise<void> {
  const timer = setInterval(show, PROGRESS_EVERY_MS);
  const limit = options.forMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(options.forMs)]);
  try {
    await controller.start({ signal: limit });
  } catch (error) {
    if (signal.aborted) {
      return;
    }
    if (limit.aborted) {
      throw new FairleadError(
        "CLI_NOT_SYNCED",
        "the caches were not complete before the time given by --for was over",
        {
          cause: error,
        },
      );
    }
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Resolves when the time is over or the signal comes; calls `tick` now and then. */
async function untilEnd(options: FollowOptions, signal: AbortSignal, everyMs: number, tick: () => void): Promise<void> {
  if (signal.aborted) {
    return;
  }
  await new Promise<void>((resolve) => {
    const timer = everyMs === 0 ? undefined : setInterval(tick, everyMs);
    const end = options.forMs === undefined ? undefined : setTimeout(finish, options.forMs);
    function finish(): void {
      clearInterval(timer);
      clearTimeout(end);
      signal.removeEventListener("abort", finish);
      resolve();
    }
    signal.addEventListener("abort", finish, { once: true });
    tick();
  });
}

interface LiveScreen {
  draw(lines: readonly string[]): void;
  end(): void;
}

/** Draws a block of lines over the one before it. */
function liveScreen(out: NodeJS.WriteStream): LiveScreen {
  let height = 0;
  return {
    draw(lines) {
      const up = height > 0 ? `\u001b[${height}A` : "";
      const width = out.columns ?? 100;
      out.write(`${up}${lines.map((text) => `${painted(text.slice(0, width - 1), out)}\u001b[K\n`).join("")}\u001b[J`);
      height = lines.length;
    },
    end() {
      height = 0;
    },
  };
}
