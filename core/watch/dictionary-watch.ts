import type { StoreReader } from "../store/reader.ts";
import { type Garbage, type RenewalRule, type StoreContent, worthRenewal } from "./renewal-rule.ts";

/** What is looked at. */
export interface WatchedStore {
  readonly reader: Pick<StoreReader, "stats" | "status">;
  /** Names of the kinds that are followed now. */
  readonly kinds: () => readonly string[];
  readonly rule: RenewalRule;
  /** The store should be renewed. */
  readonly onGarbage: (garbage: Garbage, content: StoreContent) => void;
}

/** Phases of a kind that does not get complete by itself: not served, forbidden. */
const OUT_OF_REACH: readonly number[] = [5, 6];

/** Looks now and then whether the store's dictionary has filled with strings that nobody uses any more. */
export class DictionaryWatch {
  readonly #store: WatchedStore;
  readonly #timer: NodeJS.Timeout;
  /** What the store held when all kinds were complete. */
  #loaded: StoreContent | undefined;
  #loadedAt = 0;

  constructor(store: WatchedStore) {
    this.#store = store;
    this.#timer = setInterval(() => this.#look(), store.rule.checkEveryMs);
    this.#timer.unref();
  }

  /** The store was renewed: what is there once all kinds are complete again is what later looks are compared with. */
  restart(): void {
    this.#loaded = undefined;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { reader, kinds, rule, onGarbage } = this.#store;
    const stats = reader.stats();
    if (stats.memories > 1) {
      return;
    }
    if (this.#loaded === undefined) {
      const names = kinds().filter((name) => stats.kinds[name] !== undefined);
      const isLoaded = (name: string): boolean => {
        const { synced, phase } = reader.status(name);
        return synced || OUT_OF_REACH.includes(phase);
      };
      if (names.length === kinds().length && names.every(isLoaded)) {
        this.#loaded = contentOf(stats);
        this.#loadedAt = performance.now();
      }
      return;
    }
    const content = contentOf(stats);
    const garbage = worthRenewal(this.#loaded, content, performance.now() - this.#loadedAt, rule);
    if (garbage !== undefined) {
      onGarbage(garbage, content);
    }
  }
}

function contentOf({ kinds, dictionary }: ReturnType<StoreReader["stats"]>): StoreContent {
  const objects = Object.values(kinds).reduce((sum, kind) => sum + kind.objects, 0);
  return { objects, strings: dictionary.strings, stringBytes: dictionary.bytes };
}
