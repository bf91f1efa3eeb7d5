import type { LogFields, Logger } from "../log.ts";

/** What last went wrong with a kind. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
}

/** The last problem of each kind, as the engine told it. */
export class Problems {
  readonly #byKind = new Map<string, Problem>();

  /** Passes everything on to `log` and remembers problems on the way. What `log` throws ends here. */
  listenTo(log: Logger): Logger {
    const note = (fields: LogFields): void => {
      const { kind, code, detail } = fields;
      if (typeof kind === "string" && typeof code === "string") {
        this.#byKind.set(kind, { code, detail: String(detail ?? "") });
      }
    };
    const write = (level: "debug" | "info" | "warn" | "error", fields: LogFields, message: string): void => {
      try {
        log[level](fields, message);
      } catch {
        // There is nowhere to tell it, and what was done goes on: a full disk of logs must not end the service.
      }
    };
    return {
      debug: (fields, message) => write("debug", fields, message),
      info: (fields, message) => write("info", fields, message),
      warn: (fields, message) => {
        note(fields);
        write("warn", fields, message);
      },
      error: (fields, message) => {
        note(fields);
        write("error", fields, message);
      },
    };
  }

  of(kind: string): Problem | undefined {
    return this.#byKind.get(kind);
  }
}
