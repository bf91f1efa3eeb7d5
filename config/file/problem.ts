import { FairleadError } from "../../core/errors.ts";
import type { Place } from "./tree.ts";

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** Undefined: about the cluster, not about a place in a file. */
  readonly place: Place | undefined;
  /** `plugins[0].options.zone`; "" for the whole file. Of the cluster: who lacks something there, such as `plugin "dns"`. */
  readonly path: string;
  readonly message: string;
}

/** Problems in the order of the files, each file from top to bottom; one that was found twice is told once. */
export function sortProblems(problems: readonly ConfigProblem[], files: readonly string[]): ConfigProblem[] {
  const seen = new Set<string>();
  const rank = (problem: ConfigProblem): number =>
    problem.place === undefined ? -1 : files.indexOf(problem.place.file);
  return problems
    .filter((problem) => {
      const line = problemLine(problem);
      return !seen.has(line) && seen.add(line);
    })
    .sort(
      (a, b) =>
        rank(a) - rank(b) ||
        (a.place?.line ?? 0) - (b.place?.line ?? 0) ||
        (a.place?.column ?? 0) - (b.place?.column ?? 0),
    );
}

/** `fairlead.yaml:5:7`, or "" without a place. */
export function placeText(place: Place | undefined): string {
  return place === undefined ? "" : `${place.file}:${place.line}:${place.column}`;
}

/** One line: `fairlead.yaml:5:7  plugins[0].use  message`; what is empty is left out. */
export function problemLine(problem: ConfigProblem): string {
  return [placeText(problem.place), problem.path, problem.message].filter((part) => part !== "").join("  ");
}

/** The error that stands for all problems of a configuration: CONFIG_INVALID, its facts hold one line for each. */
export function invalidConfig(file: string, problems: readonly ConfigProblem[]): FairleadError {
  const lines = problems.map(problemLine);
  const title = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
  return new FairleadError("CONFIG_INVALID", `${file} has ${title}:\n${lines.join("\n")}`, {
    facts: { file, problems: lines },
  });
}
