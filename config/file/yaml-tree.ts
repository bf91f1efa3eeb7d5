import { Composer, type CST, type Document, Lexer, LineCounter, Parser, type YAMLError } from "yaml";
import { MAX_DEPTH, NodeReader, type TreeOptions } from "./node-reader.ts";
import type { ConfigNode, Place } from "./tree.ts";

/** A file may have so many marks, words and spaces; far above what a file of 1 MiB has that people wrote. */
const MAX_LEXEMES = 400_000;
/** Of the mistakes in YAML itself so many are told; one mistake often makes many. */
const MAX_YAML_PROBLEMS = 10;

/** The smallest file that does something. */
export const SMALLEST_FILE = "apiVersion: fairlead/v1\nplugins:\n  - use: inventory\n";

/** Reads YAML 1.2 of one document into values with places; undefined when it cannot be read, the problems tell why. */
export function readYaml(text: string, options: TreeOptions): ConfigNode | undefined {
  const lines = new LineCounter();
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { file: options.file, line, column: col };
  };
  const wrong = (offset: number, message: string): undefined => {
    options.onProblem({ place: placeOf(offset), path: "", message });
  };
  const tokens = tokensOf(text, lines);
  if (typeof tokens === "string") {
    return wrong(0, tokens);
  }
  const tooDeep = firstTooDeep(tokens);
  if (tooDeep !== undefined) {
    return wrong(tooDeep, `values lie more than ${MAX_DEPTH} deep in each other`);
  }
  const composer = new Composer({
    version: "1.2",
    resolveKnownTags: false, // "!!binary" and the like make values that no key takes
    uniqueKeys: false, // quadratic there; NodeReader looks for keys that come twice
    prettyErrors: false,
    logLevel: "silent",
    lineCounter: lines,
  });
  // forced, so that an empty file is a document too
  const [document, second] = [...composer.compose(tokens, true, text.length)];
  const problems = document === undefined ? [] : yamlProblems(document, text);
  for (const { offset, message } of problems) {
    wrong(offset, message);
  }
  if (problems.length > 0) {
    return undefined;
  }
  if (second !== undefined) {
    return wrong(second.range[0], "a second document begins here; one file holds one document");
  }
  if (document === undefined || document.contents === null || isNothing(document)) {
    const example = SMALLEST_FILE.trimEnd().replaceAll(/^/gm, "  ");
    return wrong(0, `the file is empty; the smallest one that does something is:\n${example}`);
  }
  return new NodeReader({ ...options, placeOf, document }).read();
}

function isNothing(document: Document.Parsed): boolean {
  const { contents } = document;
  return contents !== null && "source" in contents && contents.source === "" && contents.tag === undefined;
}

/** The marks of a file; a message when there are too many or they are nested too deep to be read safely. */
function tokensOf(text: string, lines: LineCounter): CST.Token[] | string {
  const parser = new Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  let count = 0;
  let open = 0;
  for (const lexeme of new Lexer().lex(text)) {
    open += lexeme === "[" || lexeme === "{" ? 1 : lexeme === "]" || lexeme === "}" ? -1 : 0;
    if (open > MAX_DEPTH * 2) {
      return `values lie more than ${MAX_DEPTH} deep in each other`;
    }
    if (++count > MAX_LEXEMES) {
      return "holds more marks than a configuration can need; split it with include:";
    }
    tokens.push(...parser.next(lexeme));
  }
  tokens.push(...parser.end());
  return tokens;
}

/** Offset of the first value that lies too deep. Walks without recursion: the depth is what is in doubt. */
function firstTooDeep(tokens: readonly CST.Token[]): number | undefined {
  const waiting = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { token, depth } = next;
    if (depth > MAX_DEPTH) {
      return token.offset;
    }
    if (token.type === "document" && token.value !== undefined) {
      waiting.push({ token: token.value, depth });
    }
    if ("items" in token) {
      for (const item of token.items) {
        for (const part of [item.key, item.value]) {
          if (part !== undefined && part !== null) {
            waiting.push({ token: part, depth: depth + 1 });
          }
        }
      }
    }
  }
  return undefined;
}

const MESSAGES: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "a tab cannot indent YAML; use spaces",
  MULTIPLE_ANCHORS: "a value can have one anchor",
  MULTIPLE_TAGS: "a value can have one tag",
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line, and followed by ":"',
  BLOCK_AS_IMPLICIT_KEY: 'a second ":" in one line; put the text in quotes',
  BAD_SCALAR_START: "a text cannot begin with this character; put it in quotes",
};

interface YamlProblem {
  readonly offset: number;
  readonly message: string;
}

function yamlProblems(document: Document.Parsed, text: string): readonly YamlProblem[] {
  const told: YamlProblem[] = [];
  let more = 0;
  let lastLine = -1;
  for (const error of [...document.errors, ...document.warnings]) {
    // One slip makes the reader stumble over all that follows in its line.
    const line = text.lastIndexOf("\n", error.pos[0] - 1);
    if (line === lastLine && error.code === "UNEXPECTED_TOKEN") {
      continue;
    }
    lastLine = line;
    if (told.length < MAX_YAML_PROBLEMS) {
      told.push({ offset: error.pos[0], message: messageOf(error, text) });
    } else {
      more++;
    }
  }
  const { version } = document.directives.yaml;
  if (version !== "1.2") {
    told.push({ offset: 0, message: `%YAML ${version} is not read; remove the line, YAML 1.2 is` });
  }
  return more === 0 ? told : [...told, { offset: text.length, message: `and ${more} more mistakes of YAML` }];
}

function messageOf(error: YAMLError, text: string): string {
  const tag = /^Unresolved tag: (.*)$/.exec(error.message)?.[1];
  if (tag !== undefined) {
    return `tag "${tag.replace("tag:yaml.org,2002:", "!!")}" has no meaning here; remove it`;
  }
  const [start, end] = error.pos;
  if (error.code === "UNEXPECTED_TOKEN") {
    const hint =
      text[start] === "{" && text[start - 1] === "$" ? "; inside of { } and [ ] a variable stands in quotes" : "";
    return `"${text.slice(start, Math.min(end, start + 20)).trim()}" is not expected here${hint}`;
  }
  if (error.code === "MISSING_CHAR" && error.message.includes("quote")) {
    return "a quote is opened above and not closed";
  }
  if (error.code === "BAD_INDENT") {
    return error.message.startsWith("Flow")
      ? 'a "[" or "{" is opened above and not closed'
      : "the indentation does not fit the lines above";
  }
  const own = error.message.replace(/[.:]$/, "");
  return MESSAGES[error.code] ?? `${own.charAt(0).toLowerCase()}${own.slice(1)}`;
}
