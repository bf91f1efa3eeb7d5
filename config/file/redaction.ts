/** What stands in the place of a secret. */
export const REDACTED = "[redacted]";

/** Shorter values are too likely to be a part of other words; they are hidden only where they stand in quotes or alone. */
const SHORTEST_PART = 4;

/** A text with every one of these values hidden. */
export function redactText(text: string, secrets: ReadonlySet<string>): string {
  let out = text;
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    if (out === secret) {
      return REDACTED;
    }
    if (secret.length >= SHORTEST_PART) {
      out = out.replaceAll(secret, REDACTED);
      out = out.replaceAll(JSON.stringify(secret).slice(1, -1), REDACTED);
    } else if (secret !== "") {
      out = out.replaceAll(`"${secret}"`, `"${REDACTED}"`);
    }
  }
  return out;
}

/** Names of options that hold secrets, whoever wrote the plugin. */
export function isSecretName(name: string): boolean {
  return /(?:token|password|passwd|passphrase|secret|credentials?|apikey|api_key|privatekey|private_key|authorization|bearer)$/i.test(
    name.replaceAll("-", "_"),
  );
}
