/** Facts of one log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where log lines go: any pino logger fits. Constant message, data in fields. Called on the main thread. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** Log levels, from much to little. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const drop = (): void => {};

/** A logger that drops everything: the default when embedded. */
export const silentLogger: Logger = { debug: drop, info: drop, warn: drop, error: drop };

/** A logger that writes one JSON object a line: `level`, `time` (ISO), fields, `msg`. */
export function jsonLogger(level: LogLevel, write: (line: string) => void): Logger {
  const least = LOG_LEVELS.indexOf(level);
  const at = (name: LogLevel) => {
    if (LOG_LEVELS.indexOf(name) < least) {
      return drop;
    }
    return (fields: LogFields, message: string): void => {
      write(`${JSON.stringify({ level: name, time: new Date().toISOString(), ...fields, msg: message })}\n`);
    };
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
