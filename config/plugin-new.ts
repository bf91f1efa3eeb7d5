import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { FairleadError } from "../core/errors.ts";

/** What `newPlugin` has made. */
export interface NewPlugin {
  /** Name of the package: "fairlead-plugin-audit", or "@acme/fairlead-plugin-audit". */
  readonly packageName: string;
  /** Name of the plugin in YAML, metrics and log lines: "audit". */
  readonly name: string;
  /** Paths inside the folder. */
  readonly files: readonly string[];
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const PREFIX = "fairlead-plugin-";
const LONGEST_NAME = 63;
/** Of the package when it runs from its sources, and when it is built. */
const ROOTS = [new URL("../", import.meta.url), new URL("../../", import.meta.url)];
const SOURCES = ["index.ts", "index.test.ts", "README.md"] as const;

/**
 * Makes a folder with a plugin that works: its tests pass, and it can be packed. `name` is "audit", "fairlead-plugin-audit" or
 * "@acme/audit". Rejects with CLI_BAD_VALUE for a name that cannot be one, CLI_FOLDER_NOT_EMPTY, CLI_BROKEN_INSTALL.
 */
export async function newPlugin(name: string, folder: string): Promise<NewPlugin> {
  const { plugin, packageName } = namesFrom(name);
  if (existsSync(folder) && (await readdir(folder)).length > 0) {
    throw new FairleadError("CLI_FOLDER_NOT_EMPTY", `"${folder}" has files in it; give a folder that is new or empty`, {
      facts: { folder },
    });
  }
  const root = packageRoot();
  const files = new Map<string, string>();
  for (const source of SOURCES) {
    const text = await readFile(new URL(`plugins/template/${source}`, root), "utf8");
    files.set(source, source === "README.md" ? readme(text, plugin, packageName) : code(text, plugin));
  }
  const own: unknown = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
  files.set("package.json", packageJson(packageName, versionsFrom(own)));
  files.set("tsconfig.json", TSCONFIG);
  files.set("tsconfig.build.json", TSCONFIG_BUILD);
  files.set(".gitignore", "node_modules/\ndist/\n");
  await mkdir(folder, { recursive: true });
  for (const [path, text] of files) {
    await writeFile(join(folder, path), text, { flag: "wx" });
  }
  return { packageName, name: plugin, files: [...files.keys()] };
}

function namesFrom(given: string): { readonly plugin: string; readonly packageName: string } {
  const scoped = /^(@[a-z0-9][a-z0-9._-]*)\/(.+)$/.exec(given);
  const [scope, rest] = scoped === null ? [undefined, given] : [scoped[1], scoped[2]];
  const plugin = rest.startsWith(PREFIX) ? rest.slice(PREFIX.length) : rest;
  if (!NAME.test(plugin) || plugin.length > LONGEST_NAME) {
    throw new FairleadError(
      "CLI_BAD_VALUE",
      `"${given}" cannot be the name of a plugin; use lower-case words joined by "-", such as "pod-audit" or "@acme/pod-audit"`,
      { facts: { name: given } },
    );
  }
  const packageName = `${scope === undefined ? "" : `${scope}/`}${PREFIX}${plugin}`;
  return { plugin, packageName };
}

function packageRoot(): URL {
  const root = ROOTS.find((candidate) => existsSync(new URL("plugins/template/index.ts", candidate)));
  if (root === undefined) {
    throw new FairleadError("CLI_BROKEN_INSTALL", "the template of plugins is not there; install fairlead again");
  }
  return root;
}

/** The imports as a plugin outside of this repository writes them. */
function code(text: string, plugin: string): string {
  return text
    .replaceAll("../../core/api/index.ts", "fairlead/plugin")
    .replaceAll("../../core/testing/index.ts", "fairlead/testing")
    .replaceAll('name: "template"', `name: "${plugin}"`);
}

function readme(text: string, plugin: string, packageName: string): string {
  return text
    .replace("# template", `# ${packageName}`)
    .replace("use: template", `use: "${packageName}"`)
    .replaceAll("fairlead_template_", `fairlead_${plugin.replaceAll("-", "_")}_`)
    .concat(DEVELOPMENT);
}

const DEVELOPMENT = `
## Development

\`\`\`console
$ npm install
$ npm test          # the types, then the tests, against an API server in the process
$ npm pack          # builds and packs what you publish
\`\`\`
`;

/** Versions of what the new package is built and tested with: those that this Fairlead is. */
function versionsFrom(own: unknown): Readonly<Record<"fairlead" | "zod" | "types" | "typescript" | "node", string>> {
  const { version, dependencies, devDependencies, engines } = own as {
    readonly version: string;
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
    readonly engines: { readonly node: string };
  }; // our own package.json
  return {
    fairlead: version,
    zod: dependencies.zod,
    types: devDependencies["@types/node"],
    typescript: devDependencies.typescript,
    node: engines.node,
  };
}

function packageJson(name: string, versions: ReturnType<typeof versionsFrom>): string {
  const { fairlead, zod, types, typescript, node } = versions;
  const content = {
    name,
    version: "0.1.0",
    description: "A plugin for Fairlead.",
    keywords: ["fairlead-plugin", "kubernetes"],
    license: "UNLICENSED",
    type: "module",
    exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" }, "./package.json": "./package.json" },
    files: ["dist"],
    engines: { node },
    scripts: {
      build: "tsc -p tsconfig.build.json",
      test: "tsc && node --test",
      prepack: "npm run build",
    },
    dependencies: { zod: `^${zod}` },
    peerDependencies: { fairlead: `^${fairlead}` },
    peerDependenciesMeta: { fairlead: { optional: true } },
    devDependencies: { "@types/node": `^${types}`, fairlead: `^${fairlead}`, typescript: `^${typescript}` },
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}

const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2024",
    "lib": ["es2024", "esnext.disposable"],
    "module": "nodenext",
    "types": ["node"],
    "strict": true,
    "verbatimModuleSyntax": true,
    "erasableSyntaxOnly": true,
    "rewriteRelativeImportExtensions": true,
    "skipLibCheck": true,
    "noEmit": true
  },
  "include": ["*.ts"]
}
`;

const TSCONFIG_BUILD = `{
  "extends": "./tsconfig.json",
  "compilerOptions": { "noEmit": false, "declaration": true, "outDir": "dist" },
  "exclude": ["*.test.ts"]
}
`;
