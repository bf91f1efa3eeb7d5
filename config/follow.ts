import type { Controller } from "../core/controller/create-controller.ts";
import { FairleadError } from "../core/errors.ts";
import type { CommandContext } from "./command.ts";
import { FigureMeter } from "./figures.ts";
import { renderLoading, renderSummary } from "./screen.ts";
import { type ClusterTotals, kindRows, totals } from "./totals.ts";

/** How `run` and `demo` show what they follow. */
export interface FollowOptions {
  /** End after this long; without it, run until a signal. */
  readonly forMs?: number;
  /** `text`: one live screen; `json`: one JSON object a line. */
  readonly output: "text" | "json";
  /** Milliseconds between status lines of `json` output. */
  readonly statusEveryMs: number;
  /** What is followed, for the heading: a server address or "simulated cluster". */
  readonly title: string;
}

const PROGRESS_EVERY_MS = 250;
const SCREEN_EVERY_MS = 500;

/** Starts the controller, shows its progress and then its state until told to end, stops it, and prints the figures. */
export async function follow(controller: Controller, options: FollowOptions, context: CommandContext): Promise<void> {
  const meter = new FigureMeter();
  const startedAt = performance.now();
  const screen = options.output === "text" ? liveScreen(context.out) : undefined;
  const line = (type: string, fields: object): void => {
    context.out.write(`${JSON.stringify({ type, ...fields })}\n`);
  };
  try {
    await load(controller, options, context.signal, (done) => {
      const rows = kindRows(controller);
      const seconds = (performance.now() - startedAt) / 1000;
      if (screen !== undefined) {
        screen.draw(renderLoading(options.title, rows, seconds));
        return;
      }
      for (const row of rows) {
        line("progress", {
          kind: row.kind,
          synced: row.synced,
          objects: row.objects,
          bytes: row.bytes,
          objectsPerSecond: Math.round(row.objects / Math.max(seconds, 0.001)),
        });
      }
      if (done) {
        line("synced", { ms: Math.round(performance.now() - startedAt), ...totals(rows) });
      }
    });
    const everyMs = screen === undefined ? options.statusEveryMs : SCREEN_EVERY_MS;
    await untilEnd(options, context.signal, everyMs, () => {
      const rows = kindRows(controller);
      if (screen === undefined) {
        line("status", { ...totals(rows), ...meter.read() });
      } else {
        screen.draw(renderSummary(options.title, rows, meter.read(), (performance.now() - startedAt) / 1000));
      }
    });
  } finally {
    const last: ClusterTotals = totals(kindRows(controller));
    await controller.stop();
    const figures = meter.read();
    meter.stop();
    screen?.end();
    line("end", { seconds: Math.round((performance.now() - startedAt) / 100) / 10, ...last, ...figures });
  }
}

async function load(
  controller: Controller,
  options: FollowOptions,
  signal: AbortSignal,
  show: (done: boolean) => void,
): Promise<void> {
  const timer = setInterval(() => show(false), PROGRESS_EVERY_MS);
  const limit = options.forMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(options.forMs)]);
  try {
    await controller.start({ signal: limit });
    show(true);
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
    const timer = setInterval(tick, everyMs);
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
      out.write(`${up}${lines.map((text) => `${text.slice(0, width - 1)}\u001b[K\n`).join("")}\u001b[J`);
      height = lines.length;
    },
    end() {
      height = 0;
    },
  };
}
