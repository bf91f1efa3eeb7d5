import type { RefusalStatus } from "./reflector-state.ts";

/** What an error answer means to a reflector. */
export type Refusal =
  /** The version is too old for the server. */
  | "expired"
  /** The version is newer than what this server has. */
  | "tooLarge"
  | "unauthorized"
  | "forbidden"
  /** The resource is not served. */
  | "absent"
  | "throttled"
  /** The request itself is not accepted: a retry of the same makes no sense. */
  | "unusable"
  /** An object that could not be read was removed: events may be missing. */
  | "corrupt"
  /** Anything that a later try may mend. */
  | "server";

const UNUSABLE: readonly number[] = [400, 406, 415, 422, 501];

/** Sorts an error answer by code, reason and causes. */
export function classify(status: RefusalStatus): Refusal {
  const { code, reason } = status;
  if (code === 410 || reason === "Expired" || reason === "Gone") {
    return "expired";
  }
  if (status.causes.includes("ResourceVersionTooLarge") || /too large resource version/i.test(status.message)) {
    return "tooLarge";
  }
  if (reason === "StorageReadError") {
    return "corrupt";
  }
  switch (code) {
    case 401:
      return "unauthorized";
    case 403:
      return "forbidden";
    case 404:
    case 405:
      return "absent";
    case 429:
      return "throttled";
    default:
      return UNUSABLE.includes(code) ? "unusable" : "server";
  }
}
