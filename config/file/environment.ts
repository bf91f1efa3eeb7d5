/** Variables by name, as in `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** What became of a text with `${…}` in it. */
export type Expanded =
  | { readonly kind: "text"; readonly text: string; readonly secrets: readonly string[]; readonly used: boolean }
  | { readonly kind: "wrong"; readonly message: string };

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Puts variables into a text: `${NAME}`, `${NAME:-default}` (the default also for an empty variable), `$${` for the text
 * `${`. `secrets` are the values that came from the environment, `used` tells that the text had a reference at all.
 */
export function expandVariables(text: string, variables: Variables): Expanded {
  const secrets: string[] = [];
  let used = false;
  let out = "";
  let at = 0;
  for (let start = text.indexOf("${"); start >= 0; start = text.indexOf("${", at)) {
    if (start > at && text[start - 1] === "$") {
      out += `${text.slice(at, start - 1)}\${`;
      at = start + 2;
      continue;
    }
    const end = text.indexOf("}", start);
    const inside = end < 0 ? undefined : text.slice(start + 2, end);
    const found = inside === undefined ? undefined : lookUp(inside, variables);
    if (found === undefined) {
      const shown = text.slice(start, end < 0 ? start + 20 : end + 1);
      return {
        kind: "wrong",
        message: `"${shown}" is not a variable; write \${NAME} or \${NAME:-default}, and $\${ for the text \${ itself`,
      };
    }
    if (found.value === undefined) {
      return {
        kind: "wrong",
        message: `environment variable "${found.name}" is not set; set it, or write \${${found.name}:-default}`,
      };
    }
    if (found.fromEnvironment && found.value !== "") {
      secrets.push(found.value);
    }
    used = true;
    out += text.slice(at, start) + found.value;
    at = end + 1;
  }
  return { kind: "text", text: out + text.slice(at), secrets, used };
}

interface Found {
  readonly name: string;
  /** Undefined: not set, and without a default. */
  readonly value: string | undefined;
  readonly fromEnvironment: boolean;
}

/** Undefined when what stands between the braces is no variable. */
function lookUp(inside: string, variables: Variables): Found | undefined {
  const split = inside.indexOf(":-");
  const name = split < 0 ? inside : inside.slice(0, split);
  if (!NAME.test(name)) {
    return undefined;
  }
  const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
  if (split >= 0 && (value === undefined || value === "")) {
    return { name, value: inside.slice(split + 2), fromEnvironment: false };
  }
  return { name, value, fromEnvironment: true };
}

/** What an unquoted YAML text means: a number, a boolean, or itself. */
export function plainScalar(text: string): string | number | boolean {
  if (text === "true" || text === "false") {
    return text === "true";
  }
  return /^[-+]?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? Number(text) : text;
}
