import { writeSync } from "node:fs";
import { type Logger as PinoLogger, pino, transport } from "pino";
import { LOG_LEVELS, type LogFields, type Logger, type LogLevel } from "../core/log.ts";
import { redactedFields, redactedText } from "./log-redaction.ts";

/** Bytes of lines that may wait to be written; beyond them lines are dropped and counted. */
const MOST_WAITING_BYTES = 16_000_000;
const FLUSH_DEADLINE_MS = 2000;
const STDERR = 2;

/** How the program logs. */
export interface ProgramLogOptions {
  /** Least level that is written. */
  readonly level: LogLevel;
  /** Where lines go. Default: stderr of the process, written by a thread of its own. */
  readonly write?: (line: string) => void;
  /** Hides secrets that are known by their value; gets each line as JSON. Default: only those known by name or form are. */
  readonly redact?: (line: string) => string;
  /** SIGUSR2 goes to "debug" and, sent again, back. Default false. */
  readonly signal?: boolean;
}

/** The log of the program: one JSON object a line, `level` as a number, `time` in milliseconds, secrets cut out. */
export interface ProgramLog extends Logger {
  /** Can be changed at any time. */
  level: LogLevel;
  /** Resolves when all lines are written, or after two seconds; no more are taken then, and the signal is let go. */
  close(): Promise<void>;
}

/** Where lines go. */
interface LineSink {
  write(line: string): void;
  close(): Promise<void>;
}

/**
 * Opens the log of the program. Lines that were logged before `process.exit` or an uncaught error are written. Never throws
 * because of what is logged, nor when nobody reads any more.
 */
export function openLog(options: ProgramLogOptions): ProgramLog {
  const { write, redact } = options;
  const sink = write === undefined ? stderrThread() : { write, close: () => Promise.resolve() };
  const lines = redact === undefined ? sink : { write: (line: string) => sink.write(redact(line)) };
  const log = new PinoLog(pino({ level: options.level, base: null }, lines), sink);
  if (options.signal === true) {
    log.listenToSignal();
  }
  return log;
}

class PinoLog implements ProgramLog {
  readonly #pino: PinoLogger;
  readonly #sink: LineSink;
  /** The level to come back to from "debug". */
  #quiet: LogLevel;
  #closed: Promise<void> | undefined;

  constructor(logger: PinoLogger, sink: LineSink) {
    this.#pino = logger;
    this.#sink = sink;
    this.#quiet = this.level === "debug" ? "info" : this.level;
  }

  get level(): LogLevel {
    return LOG_LEVELS.find((name) => name === this.#pino.level) ?? "info";
  }

  set level(level: LogLevel) {
    if (this.#closed === undefined) {
      this.#pino.level = level;
      this.#quiet = level === "debug" ? this.#quiet : level;
    }
  }

  debug(fields: LogFields, message: string): void {
    this.#write("debug", fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#write("info", fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#write("warn", fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#write("error", fields, message);
  }

  listenToSignal(): void {
    process.on("SIGUSR2", this.#onSignal);
  }

  close(): Promise<void> {
    if (this.#closed === undefined) {
      process.off("SIGUSR2", this.#onSignal);
      this.#closed = this.#sink.close();
      this.#pino.level = "silent";
    }
    return this.#closed;
  }

  readonly #onSignal = (): void => {
    this.level = this.level === "debug" ? this.#quiet : "debug";
    this.#pino.info({ logLevel: this.level }, "log level changed by signal");
  };

  #write(level: Exclude<LogLevel, "silent">, fields: LogFields, message: string): void {
    if (this.#pino.isLevelEnabled(level)) {
      this.#pino[level](redactedFields(fields), redactedText(message));
    }
  }
}

/**
 * Lines go through shared memory to a thread that writes them, so that a slow reader of stderr does not hold up the main loop.
 * At the exit of the process what waits is written. When the thread is gone, lines are written from here. The thread takes
 * about 11 MB.
 */
function stderrThread(): LineSink {
  const stream = transport({ target: "pino/file", options: { destination: STDERR } });
  let isGone = false;
  let waitingBytes = 0;
  let dropped = 0;
  stream.on("error", () => {
    isGone = true;
  });
  stream.on("drain", () => {
    waitingBytes = 0;
  });
  function send(line: string): void {
    if (isGone) {
      writeFromHere(line);
      return;
    }
    const isTaken = stream.write(line);
    waitingBytes = isTaken ? 0 : waitingBytes + line.length;
  }
  return {
    write(line) {
      if (waitingBytes > MOST_WAITING_BYTES) {
        dropped++;
        return;
      }
      if (dropped > 0) {
        const lines = dropped;
        dropped = 0;
        send(`${JSON.stringify({ level: 40, time: Date.now(), lines, msg: "log lines dropped: nobody reads" })}\n`);
      }
      send(line);
    },
    async close() {
      if (isGone) {
        return;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, FLUSH_DEADLINE_MS);
      stream.once("close", () => resolve());
      stream.end();
      await promise;
      clearTimeout(timer);
      isGone = true;
    },
  };
}

function writeFromHere(line: string): void {
  try {
    writeSync(STDERR, line);
  } catch {
    // Nobody reads, and there is nobody left to tell.
  }
}
