/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** Says whether labels match a selector. */
export type Matcher = (labels: Labels) => boolean;

const KEY = "[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?";
const VALUE = "(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?";
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const EQUALS = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const ONE_OF = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const VALUE_ONLY = new RegExp(`^${VALUE}$`);
/** Commas outside of parentheses. */
const BETWEEN = /,(?![^()]*\))/;

/**
 * A label selector as kubectl takes it: `tier=web`, `tier!=db`, `tier in (web, api)`, `tier notin (db)`, `tier`, `!tier`,
 * joined by commas. Gives what is wrong as text. The empty one matches all.
 */
export function parseSelector(text: string): Matcher | string {
  const matchers: Matcher[] = [];
  if (text.trim() === "") {
    return () => true;
  }
  for (const part of text.split(BETWEEN)) {
    const matcher = requirement(part.trim());
    if (matcher === undefined) {
      return `"${part.trim()}" is no requirement of a label selector; write tier=web, tier!=db, tier in (web, api), tier or !tier`;
    }
    matchers.push(matcher);
  }
  return (labels) => matchers.every((matches) => matches(labels));
}

function requirement(text: string): Matcher | undefined {
  const exists = EXISTS.exec(text);
  if (exists !== null) {
    const [, not, key] = exists;
    return (labels) => Object.hasOwn(labels, key) === (not === "");
  }
  const equals = EQUALS.exec(text);
  if (equals !== null) {
    const [, key, operator, value] = equals;
    // As the API server has it: an object without the label matches "!=".
    return operator === "!=" ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const oneOf = ONE_OF.exec(text);
  if (oneOf === null) {
    return undefined;
  }
  const [, key, operator, list] = oneOf;
  const values = list.split(",").map((value) => value.trim());
  if (!values.every((value) => VALUE_ONLY.test(value))) {
    return undefined;
  }
  return operator === "in"
    ? (labels) => Object.hasOwn(labels, key) && values.includes(labels[key])
    : (labels) => !Object.hasOwn(labels, key) || !values.includes(labels[key]);
}
