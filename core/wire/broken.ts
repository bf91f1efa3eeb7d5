import { FairleadError } from "../errors.ts";

/** Bytes that are not what they should be. The stream is broken; resume it. */
export function brokenFrame(what: string): FairleadError {
  return new FairleadError("WIRE_BAD_FRAME", `the API server sent bytes that cannot be read: ${what}`);
}

/** A frame that ended too early. */
export function truncated(what: string): FairleadError {
  return new FairleadError(
    "WIRE_TRUNCATED",
    `the stream ended inside ${what}; it is resumed from the last good version`,
  );
}

/** A frame above the limit. */
export function tooLarge(size: number, limit: number): FairleadError {
  return new FairleadError("WIRE_FRAME_TOO_LARGE", `a frame of ${size} bytes is above the limit of ${limit}`, {
    facts: { size, limit },
  });
}

/** An object without name or resourceVersion. */
export function badObject(plan: { readonly name: string }, missing: string): FairleadError {
  return new FairleadError("WIRE_BAD_OBJECT", `an object of "${plan.name}" came without ${missing}`, {
    facts: { kind: plan.name },
  });
}

/** Another kind than asked for. */
export function wrongKind(expected: string, found: string): FairleadError {
  return new FairleadError("WIRE_WRONG_KIND", `asked for ${expected}, the API server sent ${found}`, {
    facts: { expected, found },
  });
}
