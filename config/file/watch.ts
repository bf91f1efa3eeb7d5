import { createHash } from "node:crypto";
import { type FSWatcher, readlinkSync, statSync, watch } from "node:fs";
import { dirname, resolve } from "node:path";
import { FairleadError, messageOf } from "../../core/errors.ts";
import { shownName } from "./include.ts";
import { type LoadedConfig, type LoadOptions, type ReadConfig, readConfig } from "./load.ts";
import { type ConfigProblem, invalidConfig } from "./problem.ts";
import { readText } from "./read-text.ts";

const DEFAULT_DEBOUNCE_MS = 250;
const DEFAULT_POLL_MS = 30_000;
/** A stream of notices delays the look at the files no longer than this many times `debounceMs`. */
const MAX_DELAYS = 8;
/** Longest chain of symbolic links that is followed. */
const MAX_LINKS = 16;

/** What happens when files change. Calls come one at a time. */
export interface WatchConfigOptions extends LoadOptions {
  /** A new configuration without mistakes. A rejection keeps the old one, and is told by `onError`. */
  readonly onChange: (next: LoadedConfig, before: LoadedConfig) => void | Promise<void>;
  /** The new files are bad, or could not be taken over; the old configuration stays. Told once for each change. */
  readonly onError: (error: FairleadError, problems: readonly ConfigProblem[]) => void;
  /** What runs now. Default: read from the file first; then `onChange` is not called for it. */
  readonly current: LoadedConfig;
  /** Wait for so long without a change before reading, milliseconds. Default 250. */
  readonly debounceMs?: number;
  /** Look at the files even without a notice, for file systems that give none, milliseconds. Default 30000; 0: never. */
  readonly pollMs?: number;
  readonly signal?: AbortSignal;
}

/** Watches the files of a configuration. */
export interface ConfigWatch extends AsyncDisposable {
  /** What runs now. */
  readonly current: LoadedConfig;
  /** Undefined while the files hold what runs; else why the newer ones do not run. For health and metrics. */
  readonly problem: FairleadError | undefined;
  /** Reads the files now, changed or not (SIGHUP). Resolves when the change, if there was one, is taken over or told. */
  reload(): Promise<void>;
  /** Ends watching; resolves when a change that was under way is done. */
  close(): Promise<void>;
}

/**
 * Watches a configuration's file, what it includes, and the symbolic links on the way (Kubernetes swaps `..data` of a mounted
 * ConfigMap). What counts is the content: a touched file changes nothing.
 */
export function watchConfig(path: string, options: WatchConfigOptions): ConfigWatch {
  return new FilesWatch(path, options);
}

class FilesWatch implements ConfigWatch {
  readonly #path: string;
  readonly #options: WatchConfigOptions;
  readonly #watchers = new Map<string, FolderWatch>();
  readonly #poll: NodeJS.Timeout | undefined;
  #current: LoadedConfig;
  #problem: FairleadError | undefined;
  /** Content of all files at the last look. */
  #seen: string;
  #files: readonly string[];
  #debounce: NodeJS.Timeout | undefined;
  #delays = 0;
  #busy: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(path: string, options: WatchConfigOptions) {
    this.#path = resolve(options.workingFolder ?? process.cwd(), path);
    this.#options = options;
    this.#current = options.current;
    this.#files = options.current.files;
    this.#seen = fingerprint(this.#files, (file) => options.current.texts.get(file));
    const pollMs = options.pollMs ?? DEFAULT_POLL_MS;
    this.#poll = pollMs === 0 ? undefined : setInterval(() => this.#look(), pollMs).unref();
    this.#watchFolders();
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    this.#look(); // whatever changed since `current` was read
    if (options.signal?.aborted === true) {
      this.#onAbort();
    }
  }

  get current(): LoadedConfig {
    return this.#current;
  }

  get problem(): FairleadError | undefined {
    return this.#problem;
  }

  reload(): Promise<void> {
    return this.#inTurn(() => this.#read(true));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    clearTimeout(this.#debounce);
    clearInterval(this.#poll);
    for (const { watcher } of this.#watchers.values()) {
      watcher.close();
    }
    this.#watchers.clear();
    await this.#busy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #onAbort = (): void => {
    void this.close(); // never rejects
  };

  /** Something may have changed: wait until it is quiet. */
  readonly #noticed = (): void => {
    if (this.#closed || this.#delays > MAX_DELAYS) {
      return;
    }
    this.#delays++;
    clearTimeout(this.#debounce);
    this.#debounce = setTimeout(() => {
      this.#delays = 0;
      this.#look();
    }, this.#options.debounceMs ?? DEFAULT_DEBOUNCE_MS);
  };

  #look(): void {
    if (this.#closed) {
      return;
    }
    this.#watchFolders();
    if (fingerprint(this.#files, contentOf) !== this.#seen) {
      void this.#inTurn(() => this.#read(false)); // tells its failures by onError
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#busy.then(work);
    this.#busy = turn.catch(() => {});
    return turn;
  }

  async #read(asked: boolean): Promise<void> {
    if (this.#closed || (!asked && fingerprint(this.#files, contentOf) === this.#seen)) {
      return;
    }
    const read = await readConfig(this.#path, this.#options);
    const before = this.#seen;
    // A file that the new ones no longer name may come back with the old ones: it stays watched while they run.
    this.#files = [...new Set([...read.files, ...this.#current.files])];
    this.#seen = fingerprint(this.#files, (file) => read.texts.get(file) ?? contentOf(file));
    this.#watchFolders();
    if (this.#closed) {
      return;
    }
    await this.#take(read);
    if (before !== this.#seen) {
      this.#noticed(); // the files may have changed while they were read
    }
  }

  async #take(read: ReadConfig): Promise<void> {
    const name = shownName(this.#path, this.#options.workingFolder ?? process.cwd());
    if (read.config === undefined) {
      this.#fail(invalidConfig(name, read.problems), read.problems);
      return;
    }
    try {
      if (!sameTexts(read.config, this.#current) || this.#problem !== undefined) {
        await this.#options.onChange(read.config, this.#current);
      }
      this.#current = read.config;
      this.#problem = undefined;
    } catch (cause) {
      const message = `${name} could not be taken over, the old one stays: ${read.config.redact(messageOf(cause))}`;
      this.#fail(new FairleadError("CONFIG_RELOAD_FAILED", message, { cause, facts: { file: name } }), []);
    }
  }

  #fail(error: FairleadError, problems: readonly ConfigProblem[]): void {
    this.#problem = error;
    this.#options.onError(error, problems);
  }

  /** One watcher for each folder in which a file, or a link on the way to one, lies. */
  #watchFolders(): void {
    const wanted = new Set(this.#closed ? [] : this.#files.flatMap(foldersOf));
    for (const [folder, { watcher, inode }] of this.#watchers) {
      if (!wanted.has(folder) || inodeOf(folder) !== inode) {
        watcher.close(); // not needed, or deleted and made anew
        this.#watchers.delete(folder);
      }
    }
    for (const folder of wanted) {
      if (!this.#watchers.has(folder)) {
        this.#watchFolder(folder);
      }
    }
  }

  #watchFolder(folder: string): void {
    const inode = inodeOf(folder);
    if (inode === undefined) {
      return; // not there (yet): polling sees when it is
    }
    try {
      const watcher = watch(folder, { persistent: false }, this.#noticed);
      watcher.on("error", () => {
        watcher.close();
        this.#watchers.delete(folder);
      });
      this.#watchers.set(folder, { watcher, inode });
    } catch {
      // No watches left in the system: polling has to do.
    }
  }
}

/** A watched folder; another one of the same name has another inode. */
interface FolderWatch {
  readonly watcher: FSWatcher;
  readonly inode: number;
}

function inodeOf(folder: string): number | undefined {
  return statSync(folder, { throwIfNoEntry: false })?.ino;
}

function sameTexts(a: LoadedConfig, b: LoadedConfig): boolean {
  return fingerprint(a.files, (file) => a.texts.get(file)) === fingerprint(b.files, (file) => b.texts.get(file));
}

function fingerprint(files: readonly string[], textOf: (file: string) => string | undefined): string {
  const hash = createHash("sha256");
  for (const file of [...files].sort()) {
    const text = textOf(file);
    hash.update(`${file}\0${text === undefined ? "-" : `+${text.length}`}\0${text ?? ""}`);
  }
  return hash.digest("base64");
}

function contentOf(file: string): string | undefined {
  const read = readText(file);
  return read.kind === "text" ? read.text : undefined;
}

/** The folder of a file, and those of the links that lead to it. */
function foldersOf(file: string): string[] {
  const folders = [dirname(file)];
  let at = file;
  for (let i = 0; i < MAX_LINKS; i++) {
    const link = linkAbove(at);
    if (link === undefined) {
      break;
    }
    at = link.target;
    folders.push(link.folder, dirname(at));
  }
  return folders;
}

/** The link nearest to a file among its folders and itself, resolved by one step. */
function linkAbove(path: string): { readonly folder: string; readonly target: string } | undefined {
  for (let part = path; part !== dirname(part); part = dirname(part)) {
    try {
      const to = resolve(dirname(part), readlinkSync(part));
      return { folder: dirname(part), target: `${to}${path.slice(part.length)}` };
    } catch {
      // not a link
    }
  }
  return undefined;
}
