import type { LogFields, Logger } from "../log.ts";

/** What last went wrong with a kind. */
export interface Problem {
  readonly code: string;
  readonly detail: string;
}

/** The last problem of each kind, as the engine told it. */
export class Problems {
  readonly #byKind = new Map<string, Problem>();

  /** Passes everything on to `log` and remembers problems on the way. */
  listenTo(log: Logger): Logger {
    const note = (fields: LogFields): void => {
      const { kind, code, detail } = fields;
      if (typeof kind === "string" && typeof code === "string") {
        this.#byKind.set(kind, { code, detail: String(detail ?? "") });
      }
    };
    return {
      debug: (fields, message) => log.debug(fields, message),
      info: (fields, message) => log.info(fields, message),
      warn: (fields, message) => {
        note(fields);
        log.warn(fields, message);
      },
      error: (fields, message) => {
        note(fields);
        log.error(fields, message);
      },
    };
  }

  of(kind: string): Problem | undefined {
    return this.#byKind.get(kind);
  }
}
