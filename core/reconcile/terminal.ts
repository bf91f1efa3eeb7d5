import { codeOf, FairleadError, messageOf } from "../errors.ts";

/** For a reconcile that cannot succeed as things are: throw it, and the key is not retried before something changes. */
export function terminal(reason: string | Error): FairleadError {
  return new FairleadError("RECONCILE_TERMINAL", messageOf(reason), {
    cause: typeof reason === "string" ? undefined : reason,
  });
}

/** Codes of failures that a retry cannot mend. */
const TERMINAL: ReadonlySet<string> = new Set(["RECONCILE_TERMINAL", "RESOURCE_BAD_OBJECT"]);

/** True for what is not retried. */
export function isTerminal(error: unknown): boolean {
  return TERMINAL.has(codeOf(error));
}
