import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { codeOf } from "../../core/errors.ts";

/** Largest configuration file. */
export const MAX_FILE_BYTES = 1 << 20;

/** A file's text, or what is wrong with it. */
export type ReadText =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "wrong"; readonly message: string };

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  EACCES: "cannot be read: permission denied",
  EISDIR: "is a folder, not a file",
  ELOOP: "cannot be read: its symbolic links go in a circle",
  ENOTDIR: "does not exist",
};

/** Reads a file of UTF-8 text, at most 1 MiB; a byte order mark is dropped. Pipes and devices are refused. */
export function readText(path: string): ReadText {
  let bytes: Buffer;
  try {
    const read = readBytes(path);
    if (typeof read === "string") {
      return { kind: "wrong", message: read };
    }
    bytes = read;
  } catch (error) {
    return { kind: "wrong", message: REASONS[codeOf(error)] ?? `cannot be read (${codeOf(error)})` };
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { kind: "wrong", message: "is not UTF-8 text; save it as UTF-8" };
  }
  const control = controlCharacter(text);
  if (control !== undefined) {
    const shown = control.toString(16).toUpperCase().padStart(4, "0");
    return { kind: "wrong", message: `holds the control character U+${shown}; it is not a text file` };
  }
  return { kind: "text", text };
}

/** Opened without waiting, so that a pipe nobody writes to is refused and not waited for. */
function readBytes(path: string): Buffer | string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    if (stat.isDirectory()) {
      return "is a folder, not a file";
    }
    if (!stat.isFile()) {
      return "is not a regular file";
    }
    const buffer = Buffer.allocUnsafe(MAX_FILE_BYTES + 1);
    let length = 0;
    for (;;) {
      const read = readSync(file, buffer, length, buffer.length - length, null);
      length += read;
      if (length > MAX_FILE_BYTES) {
        return "is larger than 1 MiB; split it with include:";
      }
      if (read === 0) {
        return buffer.subarray(0, length);
      }
    }
  } finally {
    closeSync(file);
  }
}

function controlCharacter(text: string): number | undefined {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) || code === 0x7f) {
      return code;
    }
  }
  return undefined;
}
