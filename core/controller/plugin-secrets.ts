import { open } from "node:fs/promises";
import { codeOf, FairleadError } from "../errors.ts";

const LARGEST_BYTES = 1_048_576;

/**
 * The text behind "file:/path" (one line end at its end is cut) or "${NAME}" of the environment. Read anew each time.
 * Throws SECRET_BAD_REFERENCE, SECRET_NOT_FOUND, SECRET_UNREADABLE; no message has the secret in it.
 */
export async function readSecret(
  reference: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const variable = /^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(reference)?.[1];
  if (variable !== undefined) {
    const value = env[variable];
    if (value === undefined) {
      throw new FairleadError("SECRET_NOT_FOUND", `the environment has no "${variable}"; set it`, {
        facts: { variable },
      });
    }
    return value;
  }
  const path = /^file:(.+)$/s.exec(reference)?.[1];
  if (path === undefined) {
    // What was given may be the secret itself: it is not shown.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how users write it
    throw new FairleadError("SECRET_BAD_REFERENCE", 'a secret is given as "file:/path" or "${NAME}", never by itself');
  }
  try {
    return (await readUpTo(path, LARGEST_BYTES)).replace(/\r?\n$/, "");
  } catch (error) {
    if (codeOf(error).startsWith("SECRET_")) {
      throw error;
    }
    const isMissing = codeOf(error) === "ENOENT";
    throw new FairleadError(
      isMissing ? "SECRET_NOT_FOUND" : "SECRET_UNREADABLE",
      isMissing ? `the file ${path} is not there; mount the secret` : `cannot read ${path} (${codeOf(error)})`,
      { facts: { path, reason: codeOf(error) } },
    );
  }
}

async function readUpTo(path: string, bytes: number): Promise<string> {
  await using file = await open(path);
  if (!(await file.stat()).isFile()) {
    throw new FairleadError("SECRET_UNREADABLE", `${path} is not a file`, { facts: { path } });
  }
  const buffer = Buffer.alloc(bytes + 1);
  let size = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, size, buffer.length - size);
    size += bytesRead;
    if (bytesRead === 0 || size === buffer.length) {
      break;
    }
  }
  if (size > bytes) {
    throw new FairleadError("SECRET_UNREADABLE", `${path} is larger than ${bytes} bytes`, { facts: { path } });
  }
  return buffer.toString("utf8", 0, size);
}
