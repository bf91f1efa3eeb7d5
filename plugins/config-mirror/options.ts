import { z } from "zod";
import { parseSelector } from "./selector.ts";

const MIB = 1_048_576;

/** Text of a label selector; a wrong one is refused with its reason. */
const selector = z.string().superRefine((text, context) => {
  const parsed = parseSelector(text);
  if (typeof parsed === "string") {
    context.addIssue({ code: "custom", message: parsed });
  }
});

/** Options of the plugin, as written in YAML. */
export const ConfigMirrorOptions = z
  .strictObject({
    sources: selector
      .default("mirror=true")
      .describe("Label selector of the ConfigMaps that are copied. Copies are never sources."),
    prefixes: z
      .array(z.string().min(1).max(63))
      .default(["team-"])
      .describe("Copies go to every namespace whose name begins with one of these."),
    namespaces: selector
      .optional()
      .describe("Copies go, beside that, to every namespace whose labels this selector matches. Default: none."),
    maxBytes: z
      .int()
      .min(1)
      .max(MIB)
      .default(MIB)
      .describe("Largest source that is copied: bytes of its keys and values. Larger ones are reported."),
  })
  .refine((options) => options.prefixes.length > 0 || options.namespaces !== undefined, {
    message: "nothing would be copied anywhere; name prefixes, or a selector in namespaces",
    path: ["prefixes"],
  })
  .refine((options) => options.sources.trim() !== "", {
    message: "an empty selector would copy every ConfigMap of the cluster",
    path: ["sources"],
  });
export type ConfigMirrorOptions = z.infer<typeof ConfigMirrorOptions>;
