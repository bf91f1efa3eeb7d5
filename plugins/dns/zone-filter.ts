import type { ZoneOptions } from "./settings.ts";

/** Which namespaces have names. */
export class NamespaceRules {
  readonly #allow: readonly RegExp[];
  readonly #deny: readonly RegExp[];

  constructor({ namespaces }: Pick<ZoneOptions, "namespaces">) {
    this.#allow = namespaces.allow.map(globOf);
    this.#deny = namespaces.deny.map(globOf);
  }

  /** True when a glob allows it and none denies it. */
  has(name: string): boolean {
    return this.#allow.some((glob) => glob.test(name)) && !this.#deny.some((glob) => glob.test(name));
  }
}

/** "*" is any run of characters, "?" any one. */
function globOf(glob: string): RegExp {
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*+/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${pattern}$`);
}
