import { type FailureData, readFailure } from "./failure.ts";

/** What crosses a port in either direction; nothing else is accepted. */
export type RpcEnvelope =
  | { readonly kind: "request"; readonly id: number; readonly method: string; readonly given: unknown }
  /** The request was received and is being worked on. With id 0: so many events were received. */
  | { readonly kind: "ack"; readonly id: number; readonly events?: number }
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: FailureData }
  | { readonly kind: "event"; readonly method: string; readonly given: unknown }
  /** The caller does not wait for that request any more. */
  | { readonly kind: "cancel"; readonly id: number };

const MAX_METHOD = 200;

/** Anything that was read from a port as an envelope; undefined for garbage. */
export function readEnvelope(message: unknown): RpcEnvelope | undefined {
  if (typeof message !== "object" || message === null || !("kind" in message)) {
    return undefined;
  }
  const { kind } = message;
  if (kind === "event") {
    const method = methodOf(message);
    return method === undefined ? undefined : { kind, method, given: partOf(message, "given") };
  }
  const id = "id" in message ? message.id : undefined;
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) {
    return undefined;
  }
  switch (kind) {
    case "request": {
      const method = methodOf(message);
      return method === undefined ? undefined : { kind, id, method, given: partOf(message, "given") };
    }
    case "ack": {
      const events = partOf(message, "events");
      return { kind, id, events: typeof events === "number" && events > 0 ? events : undefined };
    }
    case "result":
      return { kind, id, value: partOf(message, "value") };
    case "error": {
      const error = readFailure(partOf(message, "error"));
      return error === undefined ? undefined : { kind, id, error };
    }
    case "cancel":
      return { kind, id };
    default:
      return undefined;
  }
}

function methodOf(message: object): string | undefined {
  const method = partOf(message, "method");
  return typeof method === "string" && method.length <= MAX_METHOD ? method : undefined;
}

function partOf(message: object, name: string): unknown {
  // Read from whatever came; every use checks it.
  return (message as Readonly<Record<string, unknown>>)[name];
}
