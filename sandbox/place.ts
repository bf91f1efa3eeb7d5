/** Folder that this package's own code is in, as frames of a stack show it. */
const OWN = new URL("../", import.meta.url).href;
const OWN_CODE = /^(?:core|sandbox|config)\/(?!.*\.test(?:-support)?\.[jt]s:)/;
/** What calls plugins on our behalf. */
const OWN_LIBRARIES = /\/node_modules\/(?:piscina|tapable|pino|prom-client)\//;
const FRAME = /^ +at (?:.* \()?((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*:\d+:\d+)\)?$/;
/** What Node writes before the stack of TypeScript that cannot be read. */
const UNREADABLE = /^((?:file:\/\/|\/|[A-Za-z]:\\).*:\d+)$/;

/**
 * Where something was thrown, "/plugins/dns/index.ts:12:5": the innermost place that is neither Node's nor Fairlead's. What
 * came from another thread tells it as `facts.at`. Undefined where nothing is known; never throws.
 */
export function placeOf(thrown: unknown): string | undefined {
  try {
    if (typeof thrown !== "object" || thrown === null) {
      return undefined;
    }
    const told = "facts" in thrown && typeof thrown.facts === "object" ? thrown.facts : null;
    if (told !== null && "at" in told && typeof told.at === "string") {
      return told.at;
    }
    return "stack" in thrown && typeof thrown.stack === "string" ? placeIn(thrown.stack) : undefined;
  } catch {
    return undefined; // getters of what was thrown may throw too
  }
}

function placeIn(stack: string): string | undefined {
  const lines = stack.split("\n");
  const frames = lines.map((line) => FRAME.exec(line)?.[1]);
  const place = UNREADABLE.exec(lines[0])?.[1] ?? frames.find((frame) => frame !== undefined && !isOwn(frame));
  return place?.replace(/^file:\/\/(?=\/)/, "");
}

function isOwn(frame: string): boolean {
  return OWN_LIBRARIES.test(frame) || (frame.startsWith(OWN) && OWN_CODE.test(frame.slice(OWN.length)));
}
