import { ROW_HEADER, ROW_NAME, ROW_NAMESPACE, RowBuilder } from "../store/row.ts";
import type { KindWriter } from "../store/store.ts";
import { nameOf } from "./row-text.ts";

/** What a complete list replaces: everything of the kind, or one namespace of it. */
export interface Replacement {
  begin(): void;
  /** An object of the list was written. */
  saw(row: RowBuilder): void;
  /** Removes what the list did not name; gives how many that were. */
  end(): number;
  cancel(): void;
}

/** The writer's own replacement, for the one reflector of a kind. */
export function wholeReplacement(writer: KindWriter): Replacement {
  return {
    begin: () => writer.beginReplace(),
    saw: () => {},
    end: () => writer.endReplace(),
    cancel: () => writer.cancelReplace(),
  };
}

/** A replacement of one namespace: several may be under way at once on one writer, which has only one of its own. */
export function namespaceReplacement(writer: KindWriter, namespace: string): Replacement {
  let missing: Set<string> | undefined;
  return {
    begin() {
      const names = new Set<string>();
      writer.forEachIdentity((within, name) => {
        if (within === namespace) {
          names.add(name);
        }
      });
      missing = names;
    },
    saw(row) {
      if (missing !== undefined && missing.size > 0) {
        missing.delete(nameOf(row));
      }
    },
    end() {
      let removed = 0;
      if (missing !== undefined && missing.size > 0) {
        const row = new RowBuilder(64);
        const encoder = new TextEncoder();
        const within = encoder.encode(namespace);
        for (const name of missing) {
          const bytes = encoder.encode(name);
          row.begin(ROW_HEADER);
          row.words[ROW_NAMESPACE] = writer.interner.intern(within, 0, within.length);
          const at = row.text(bytes, 0, bytes.length);
          row.words[ROW_NAME] = at;
          row.finish();
          removed += writer.remove(row) ? 1 : 0;
        }
      }
      missing = undefined;
      return removed;
    },
    cancel() {
      missing = undefined;
    },
  };
}
