import { z } from "zod";
import { codeOf, messageOf } from "../../core/errors.ts";
import { parseDuration } from "../duration.ts";

const DEFAULT_LONGEST_MS = 2 ** 31 - 1;

/** Milliseconds, or a text such as "30s"; `least` and `longest` are milliseconds. */
export function duration(least: number, longest = DEFAULT_LONGEST_MS) {
  return z
    .union([z.number(), z.string()])
    .meta({ examples: ["30s", "5m", 1500] })
    .transform((given, context) => {
      const ms = typeof given === "number" ? given : durationOf(given, context);
      if (ms === undefined) {
        return z.NEVER;
      }
      if (!Number.isInteger(ms) || ms < least || ms > longest) {
        context.addIssue({
          code: "custom",
          message: `must be from ${least} to ${longest} ms: a whole number, or a duration such as "30s"`,
        });
        return z.NEVER;
      }
      return ms;
    });
}

function durationOf(text: string, context: z.RefinementCtx): number | undefined {
  try {
    return text === "0" ? 0 : parseDuration(text);
  } catch (error) {
    const message = codeOf(error) === "CONFIG_BAD_DURATION" ? messageOf(error) : `"${text}" is not a duration`;
    context.addIssue({ code: "custom", message });
    return undefined;
  }
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Bytes, or a text such as "256MiB"; units KB, MB, GB, Ki, Mi, Gi, KiB, MiB, GiB. */
export function byteSize(least: number, most: number) {
  return z
    .union([z.number(), z.string()])
    .meta({ examples: ["256MiB", 268_435_456] })
    .transform((given, context) => {
      const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(given));
      const unit = match === null ? undefined : BYTE_UNITS[match[2]];
      if (match === null || unit === undefined) {
        context.addIssue({
          code: "custom",
          message: `"${given}" is not a size; write it like 268435456, 256MiB or 1GiB`,
        });
        return z.NEVER;
      }
      const bytes = Math.round(Number(match[1]) * unit);
      if (bytes < least || bytes > most) {
        context.addIssue({ code: "custom", message: `must be from ${least} to ${most} bytes` });
        return z.NEVER;
      }
      return bytes;
    });
}

/** A glob over names of namespaces. */
export const glob = z
  .string()
  .regex(/^[a-z0-9*?-]{1,63}$/, "must be a name of a namespace, in which * and ? stand for any letters");

/** A path, from the folder of the file that it is written in. */
export const path = z
  .string()
  .min(1)
  .regex(/^[^\0]*$/)
  .meta({ format: "path" });

/** An http or https URL without a secret in it. */
export const serverUrl = z.string().superRefine((given, context) => {
  const url = URL.parse(given);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    context.addIssue({ code: "custom", message: "must be an http:// or https:// URL" });
  } else if (url.username !== "" || url.password !== "") {
    context.addIssue({ code: "custom", message: "must not hold a password; use token" });
  }
});

/** A secret: its text, better `${NAME}`, or `file:/path` of a file that holds it. */
export const secret = z
  .string()
  .min(1)
  .refine((given) => given.trim() !== "file:", "names no file; write file:/path")
  .meta({ format: "secret" });
