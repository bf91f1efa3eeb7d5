import { readFileSync, statSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { ResolveClock, ResolveTimer } from "./resolve-clock.ts";

/** Who is told what a file says. */
export interface FileListener {
  onText(text: string): void;
  /** It cannot be read, told once until it can be again; what was read before still counts. */
  onError(error: Error): void;
}

const LOOK_MS = 5_000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** Reads a small file at once, and again whenever it has changed: also one that is replaced, as ConfigMaps are. */
export class FollowedFile {
  readonly #path: string;
  readonly #clock: ResolveClock;
  readonly #listener: FileListener;
  #stamp = "";
  #isFailing = false;
  #isClosed = false;
  #timer: ResolveTimer | undefined;

  constructor(path: string, clock: ResolveClock, listener: FileListener) {
    this.#path = path;
    this.#clock = clock;
    this.#listener = listener;
    try {
      const found = statSync(path);
      this.#take(stampOf(found), () => checked(readFileSync(path, "utf8"), found.size));
    } catch (error) {
      this.#fail(error);
    }
    this.#plan();
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
  }

  /** Looks now whether it has changed. Never rejects. */
  async look(): Promise<void> {
    try {
      const found = await stat(this.#path);
      const stamp = stampOf(found);
      if (stamp !== this.#stamp || this.#isFailing) {
        const text = checked(found.size > MAX_FILE_BYTES ? "" : await readFile(this.#path, "utf8"), found.size);
        if (!this.#isClosed) {
          this.#take(stamp, () => text);
        }
      }
    } catch (error) {
      if (!this.#isClosed) {
        this.#fail(error);
      }
    }
  }

  #plan(): void {
    this.#timer = this.#clock.setTimer(LOOK_MS, () => {
      void this.look().then(() => {
        if (!this.#isClosed) {
          this.#plan();
        }
      });
    });
  }

  #take(stamp: string, text: () => string): void {
    const read = text();
    this.#stamp = stamp;
    this.#isFailing = false;
    this.#listener.onText(read);
  }

  #fail(error: unknown): void {
    if (!this.#isFailing) {
      this.#isFailing = true;
      this.#listener.onError(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

function stampOf(found: { mtimeMs: number; ctimeMs: number; size: number; ino: number }): string {
  return `${found.mtimeMs} ${found.ctimeMs} ${found.size} ${found.ino}`;
}

function checked(text: string, size: number): string {
  if (size > MAX_FILE_BYTES) {
    throw new Error(`it has ${size} bytes; at most ${MAX_FILE_BYTES} are read`);
  }
  return text;
}
