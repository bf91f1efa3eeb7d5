import type { LogFields, Logger } from "../log.ts";

/** A log that keeps its lines and lets a test wait. */
export interface RecordingLog extends Logger {
  /** Message, then fields as JSON; debug lines too. */
  readonly lines: string[];
  /** Resolves with the first line that matches, also one that was there before. */
  waitFor(pattern: RegExp): Promise<string>;
  /** Resolves as soon as it holds; asked at every turn of the event loop. */
  until(holds: () => boolean): Promise<void>;
}

/** Makes a log for a test. */
export function recordingLog(): RecordingLog {
  const lines: string[] = [];
  const keep = (fields: LogFields, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const until = async (holds: () => boolean): Promise<void> => {
    const endsAt = performance.now() + 10_000;
    while (!holds()) {
      if (performance.now() > endsAt) {
        throw new Error(`not within 10 s; the log has\n${lines.join("\n")}`);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  return {
    lines,
    debug: keep,
    info: keep,
    warn: keep,
    error: keep,
    until,
    async waitFor(pattern) {
      await until(() => lines.some((line) => pattern.test(line)));
      return lines.find((line) => pattern.test(line)) ?? "";
    },
  };
}
