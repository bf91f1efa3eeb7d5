import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const GUIDE = fileURLToPath(
  new URL(
    import.meta.url.endsWith(".ts") ? "../../docs/guide/deploy.md" : "../../../docs/guide/deploy.md",
    import.meta.url,
  ),
);

/** The blocks of one language in docs/guide/deploy.md, in their order. */
export function guideBlocks(language: "console" | "dockerfile" | "yaml"): readonly string[] {
  const text = readFileSync(GUIDE, "utf8");
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, block]) => block);
}
