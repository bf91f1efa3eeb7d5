import { placeOf } from "./place.ts";

/** Facts of an error that may cross threads and be logged. */
export type FailureFacts = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** An error as plain data: what crosses between threads. */
export interface FailureData {
  readonly code: string;
  readonly message: string;
  readonly facts: FailureFacts;
  readonly stack?: string;
}

/** Makes the error that callers see. This folder has no error class of its own. */
export type MakeError = (code: string, message: string, facts?: FailureFacts) => Error;

/** Any thrown value as plain data; never throws, whatever was thrown. */
export function failureOf(thrown: unknown): FailureData {
  try {
    if (typeof thrown !== "object" || thrown === null) {
      return { code: "UNKNOWN", message: String(thrown), facts: {} };
    }
    const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : "UNKNOWN";
    const message = "message" in thrown ? String(thrown.message) : describe(thrown);
    const stack = "stack" in thrown && typeof thrown.stack === "string" ? thrown.stack : undefined;
    const at = placeOf(thrown);
    const facts = { ...("facts" in thrown ? plainFacts(thrown.facts) : {}), ...(at === undefined ? {} : { at }) };
    return { code, message, facts, stack };
  } catch {
    return { code: "UNKNOWN", message: "an error that cannot be read was thrown", facts: {} };
  }
}

/** What came from another thread as an error's data; undefined when it is none. */
export function readFailure(value: unknown): FailureData | undefined {
  if (typeof value !== "object" || value === null || !("code" in value) || !("message" in value)) {
    return undefined;
  }
  const { code, message } = value;
  if (typeof code !== "string" || typeof message !== "string") {
    return undefined;
  }
  const stack = "stack" in value && typeof value.stack === "string" ? value.stack : undefined;
  return { code, message, facts: "facts" in value ? plainFacts(value.facts) : {}, stack };
}

function describe(thrown: object): string {
  return `something that is no error was thrown: ${JSON.stringify(thrown)?.slice(0, 200) ?? typeof thrown}`;
}

function plainFacts(facts: unknown): FailureFacts {
  const plain: Record<string, string | number | boolean | readonly string[]> = {};
  for (const [name, value] of Object.entries(typeof facts === "object" && facts !== null ? facts : {})) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      plain[name] = value;
    } else if (Array.isArray(value) && value.every((one) => typeof one === "string")) {
      plain[name] = value;
    }
  }
  return plain;
}
