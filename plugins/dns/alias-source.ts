import { setImmediate as nextTurn } from "node:timers/promises";
import { type HostsFile, parseHosts } from "./alias-file.ts";
import { type AliasName, aliasRecords } from "./alias-names.ts";
import { AliasTable, aliasNames } from "./alias-table.ts";
import type { ResolverLog } from "./forward-routes.ts";
import { FollowedFile } from "./resolve-file.ts";
import type { AliasOptions } from "./settings.ts";
import type { ResolverParts } from "./upstream.ts";

type AliasSite = Pick<ResolverParts, "clock" | "stats"> & { readonly log: ResolverLog };

interface Taken {
  readonly table: AliasTable;
  readonly file: HostsFile;
}

/** The aliases of the options and of the file, as they are now. */
export class Aliases {
  table: AliasTable;
  readonly #options: AliasOptions;
  readonly #inline: readonly AliasName[];
  readonly #site: AliasSite;
  readonly #file: FollowedFile | undefined;
  /** A file that is still being read gives way to a newer one. */
  #reading: Generator<void, Taken> | undefined;

  /** Reads the file at once; bad lines and a missing file are logged and counted, names that can be used are used. */
  constructor(options: AliasOptions, site: AliasSite) {
    this.#options = options;
    this.#site = site;
    this.#inline = Object.entries(options.names).map(([name, addresses]) => aliasRecords(name, addresses));
    this.table = new AliasTable(finish(aliasNames(this.#inline)), options.ttl);
    site.stats.aliasNames = this.table.size;
    const { file } = options;
    if (file === undefined) {
      return;
    }
    let isFirst = true;
    this.#file = new FollowedFile(file, site.clock, {
      onText: (text) => {
        this.#reading = this.#read(text);
        if (isFirst) {
          this.#take(finish(this.#reading));
          return;
        }
        void this.#finishInTurns(this.#reading);
      },
      onError: (error) => {
        site.stats.aliasErrors++;
        site.log.warn({ file, reason: error.message }, "the file with aliases cannot be read");
      },
    });
    isFirst = false;
  }

  close(): void {
    this.#reading = undefined;
    this.#file?.close();
  }

  *#read(text: string): Generator<void, Taken> {
    const file = yield* parseHosts(text);
    const names = yield* aliasNames([...this.#inline, ...file.names]);
    return { table: new AliasTable(names, this.#options.ttl), file };
  }

  /** Questions are answered between the steps. */
  async #finishInTurns(reading: Generator<void, Taken>): Promise<void> {
    for (;;) {
      const step = reading.next();
      if (this.#reading !== reading) {
        return;
      }
      if (step.done === true) {
        this.#take(step.value);
        return;
      }
      await nextTurn();
    }
  }

  #take({ table, file: { bad, badLines } }: Taken): void {
    const { log, stats } = this.#site;
    const { file } = this.#options;
    for (const { line, reason } of bad) {
      log.warn({ place: `${file}:${line}`, reason }, "a line of the aliases cannot be used");
    }
    if (badLines > bad.length) {
      log.warn({ file, lines: badLines - bad.length }, "more lines of the aliases cannot be used");
    }
    this.table = table;
    stats.aliasErrors += badLines;
    stats.aliasReloads++;
    stats.aliasNames = table.size;
    log.info({ file, names: table.size }, "aliases read");
  }
}

/** Runs all steps at once. */
function finish<Result>(steps: Generator<void, Result>): Result {
  for (;;) {
    const step = steps.next();
    if (step.done === true) {
      return step.value;
    }
  }
}
