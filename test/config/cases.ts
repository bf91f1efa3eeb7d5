import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type ReadConfig, readConfig } from "../../config/file/load.ts";
import { problemLine } from "../../config/file/problem.ts";

/** Folder of the cases. */
export const FOLDER = new URL("./", import.meta.url);

/** The environment in which cases are read. */
export const VARIABLES = {
  LISTEN: "192.0.2.1:5353",
  PORT: "5300",
  TOKEN: "s3cr3t-value",
  PIN: "7",
  DRY: "true",
  EMPTY: "",
  ZONE: "example.org",
} as const;

const EXPECTED = "#! ";

/** Reads one case: `bad/unknown-key.yaml`. */
export async function readCase(path: string): Promise<ReadConfig> {
  const folder = new URL(`${path.split("/")[0]}/`, FOLDER).pathname;
  return await readConfig(path.split("/").slice(1).join("/"), { variables: VARIABLES, workingFolder: folder });
}

/** What the first lines of a case say that is wrong with it. */
export function expectedOf(path: string): string[] {
  const lines = readFileSync(new URL(path, FOLDER), "utf8")
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/);
  const end = lines.findIndex((line) => !line.startsWith("#!"));
  return lines.slice(0, end).map((line) => line.slice(EXPECTED.length));
}

/** Reads a printed configuration from beside the case that it was made of: plugins are found from there. */
export async function readPrinted(text: string, path: string): Promise<ReadConfig> {
  const file = new URL(`${path}.printed`, FOLDER);
  writeFileSync(file, text);
  try {
    return await readConfig(file.pathname, { variables: VARIABLES, workingFolder: new URL("./", file).pathname });
  } finally {
    rmSync(file);
  }
}

/** What is wrong with it, a line each; a message of several lines has "\n" in it as text. */
export function foundIn(read: ReadConfig): string[] {
  return read.problems.map((problem) => problemLine(problem).replaceAll("\n", "\\n"));
}
