import { parseHosts } from "./alias-file.ts";
import { type AliasName, aliasRecords } from "./alias-names.ts";
import { AliasTable } from "./alias-table.ts";
import type { ResolverLog } from "./forward-routes.ts";
import { FollowedFile } from "./resolve-file.ts";
import type { AliasOptions } from "./settings.ts";
import type { ResolverParts } from "./upstream.ts";

/** The aliases of the options and of the file, as they are now. */
export class Aliases {
  table: AliasTable;
  readonly #inline: readonly AliasName[];
  readonly #ttl: number;
  readonly #file: FollowedFile | undefined;

  /** Reads the file at once; bad lines and a missing file are logged and counted, names that can be used are used. */
  constructor(options: AliasOptions, site: Pick<ResolverParts, "clock" | "stats"> & { readonly log: ResolverLog }) {
    const { log, stats, clock } = site;
    this.#ttl = options.ttl;
    this.#inline = Object.entries(options.names).map(([name, addresses]) => aliasRecords(name, addresses));
    this.table = new AliasTable(this.#inline, this.#ttl);
    stats.aliasNames = this.table.size;
    const { file } = options;
    if (file === undefined) {
      return;
    }
    this.#file = new FollowedFile(file, clock, {
      onText: (text) => {
        const { names, bad, badLines } = parseHosts(text);
        for (const { line, reason } of bad) {
          log.warn({ place: `${file}:${line}`, reason }, "a line of the aliases cannot be used");
        }
        if (badLines > bad.length) {
          log.warn({ file, lines: badLines - bad.length }, "more lines of the aliases cannot be used");
        }
        this.table = new AliasTable([...this.#inline, ...names], this.#ttl);
        stats.aliasErrors += badLines;
        stats.aliasReloads++;
        stats.aliasNames = this.table.size;
        log.info({ file, names: this.table.size }, "aliases read");
      },
      onError: (error) => {
        stats.aliasErrors++;
        log.warn({ file, reason: error.message }, "the file with aliases cannot be read");
      },
    });
  }

  close(): void {
    this.#file?.close();
  }
}
