/** What every error of Fairlead carries beside its message: plain facts, safe to log and to send between threads. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** The one error class of Fairlead. Compare `code`, never `instanceof`: two copies of the package may be loaded. */
export class FairleadError extends Error {
  /** Stable code `AREA_WHAT_HAPPENED`, listed in docs/reference/errors.md. */
  readonly code: string;
  /** Facts about what failed. */
  readonly facts: ErrorFacts;

  constructor(code: string, message: string, options: { cause?: unknown; facts?: ErrorFacts } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FairleadError";
    this.code = code;
    this.facts = options.facts ?? {};
  }
}

/** The code of any thrown value: a Fairlead code, a Node code such as `ECONNRESET`, or "UNKNOWN". */
export function codeOf(error: unknown): string {
  try {
    if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string") {
      return error.code;
    }
  } catch {
    // What throws when it is looked at tells no code.
  }
  return "UNKNOWN";
}

/** The message of any thrown value. Never throws, whatever that is. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : String(error);
  } catch {
    return "what was thrown is no error and cannot be shown";
  }
}
