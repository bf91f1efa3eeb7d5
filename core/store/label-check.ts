import { FairleadError } from "../errors.ts";
import type { LabelExpression } from "./reader.ts";
import type { Snapshot } from "./snapshot.ts";

/** Neither an id nor what `DictionaryReader.id` gives for unknown strings. */
const NO_LABEL = -2;

/** Checks rows for one requirement of a selector; `labelsAt`: offset of the labels' cell. Throws STORE_BAD_VALUE. */
export function labelCheck(
  { key: name, operator, values: texts = [] }: LabelExpression,
  labelsAt: number,
  { words, dictionary }: Snapshot,
): (row: number) => boolean {
  const key = dictionary.id(name);
  const values = new Set(texts.map((value) => dictionary.id(value)));
  const label = (row: number): number => labelOf(words, row, words[row + labelsAt], key);
  switch (operator) {
    case "In":
      return (row) => values.has(label(row));
    case "NotIn":
      return (row) => !values.has(label(row));
    case "Exists":
      return (row) => label(row) !== NO_LABEL;
    case "DoesNotExist":
      return (row) => label(row) === NO_LABEL;
    default:
      throw new FairleadError("STORE_BAD_VALUE", `"${String(operator)}" is not an operator of selectors`);
  }
}

/** Id of a label's value, or NO_LABEL. */
function labelOf(words: Int32Array, row: number, first: number, key: number): number {
  for (let link = first; link !== 0; link = words[row + link]) {
    if (words[row + link + 1] === key) {
      return words[row + link + 2];
    }
  }
  return NO_LABEL;
}
