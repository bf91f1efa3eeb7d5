import { readFileSync } from "node:fs";

/** `fairlead/<version> (<platform>/<processor>)`. */
export function userAgent(): string {
  return `fairlead/${packageVersion()} (${process.platform}/${process.arch})`;
}

function packageVersion(): string {
  // Two levels up from the sources, three from dist; a bundle has its package.json beside it or none.
  for (const up of ["../../package.json", "../../../package.json", "./package.json"]) {
    try {
      const text = readFileSync(new URL(up, import.meta.url), "utf8");
      // Narrowed below.
      const parsed = JSON.parse(text) as { readonly name?: unknown; readonly version?: unknown };
      if (parsed.name === "fairlead" && typeof parsed.version === "string") {
        return parsed.version;
      }
    } catch {
      // Not there: the next place.
    }
  }
  return "unknown";
}
