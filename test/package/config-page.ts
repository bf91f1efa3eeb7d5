import { editorSchema, type SchemaNode, settingsShape } from "../../config/file/json-schema.ts";

const INTRO = `Fairlead is configured by one YAML file, by default \`fairlead.yaml\` in the working folder, then
\`/etc/fairlead/fairlead.yaml\`. The smallest one that does something:

\`\`\`yaml
apiVersion: fairlead/v1
plugins:
  - use: inventory
\`\`\`

One with more in it:

\`\`\`yaml
# yaml-language-server: $schema=./node_modules/fairlead/schema.json
apiVersion: fairlead/v1
cluster:
  namespaces: { allow: ["*"], deny: [kube-system] }
plugins:
  - use: inventory
    isolation: worker
    setupTimeoutMs: 30s
kinds:
  nodes: [labels]
log: { level: info }
status:
  port: 8080
  token: \${STATUS_TOKEN:-change-me}
\`\`\`

\`fairlead check\` tells every mistake at once, each with \`file:line:column\`, the key and the nearest name that exists;
\`fairlead print\` shows what would run. The first line of the example lets editors know the keys: the package has
\`schema.json\`.

## Keys

Unknown keys are refused, except at the top those that begin with \`x-\`: a place for what anchors stand for. Times are
milliseconds, or texts such as \`30s\`, \`5m\`, \`1h30m\`. Paths count from the folder of the file in which they are written;
\`~/\` is the home folder.`;

const REST = `## Values from elsewhere

- \`\${NAME}\` in any value is a variable of the environment; \`\${NAME:-default}\` has a default for one that is not set or
  empty; \`$\${\` is the text \`\${\` itself. One that is not set and has no default is an error. Without quotes
  (\`port: \${PORT}\`) a number is a number and \`true\` is true; in quotes it is a text. Inside of \`{ }\` and \`[ ]\` YAML wants
  the quotes. The keys \`include\`, \`use\` and all names of keys are taken as they are.
- \`file:/path\` where a secret is allowed (\`cluster.token\`, \`cluster.proxyUrl\`, \`status.token\`): the file is read when the
  value is needed, and again when it changes.
- What came from the environment, secrets that are written in the file, and options of plugins that are called like a secret
  (\`token\`, \`password\`, \`apiKey\`, …) are never shown: not by \`print\`, not in messages. \`print\` shows \`\${NAME}\` as written.
- A plugin's schema can mark an option as a secret (in zod \`z.string().meta({ format: "secret" })\`). Such an option that is
  just \`\${NAME}\` stays as it is, so that the plugin reads it by \`context.secrets.read\` when it needs it.

## Several files

\`include\` names more files. Tables are joined key by key, the lists under \`plugins\` follow one another (those of included
files first), and everything else of the including file wins. Included files need no \`apiVersion\`. A file that comes twice
counts once; files that include each other are refused.

## Plugins

\`use\` is, in this order:

1. a path that begins with \`./\`, \`../\` or \`/\`: a module, or a folder with \`package.json\`, \`index.js\` or \`index.ts\`;
2. the name of a plugin that comes with Fairlead (\`fairlead plugins\` lists them);
3. an npm package: \`x\` stands for \`fairlead-plugin-x\`, \`@acme/x\` for \`@acme/fairlead-plugin-x\`, \`@acme\` for
   \`@acme/fairlead-plugin\`; full names work too. It is looked for from the folder of the file upwards, then from Fairlead's own.

Its default export must be the plugin. Options are checked by the plugin's own schema before anything runs; those of a plugin
with \`isolation: worker\` in its thread, and by \`fairlead check\`. To know a plugin \`check\`, \`print\` and \`plugins\` import its
module, so the code at its top runs; nothing is set up.

## Changes while it runs

The files, what they include, and the links on the way are watched (Kubernetes swaps a link when a mounted ConfigMap
changes). Only the content counts. Plugins whose entry changed are stopped and started, the others and the store go on; a new
log level counts at once; other keys count after a restart, which the log says. While a new file has mistakes the old
configuration runs on, and log, metric and health tell why. New code of a plugin counts after a restart.

## Limits

A file is UTF-8 text of at most 1 MiB with one YAML 1.2 document, values at most 64 deep in each other, at most 100,000 values
once aliases are resolved, and 64 files in all. Keys that come twice, tags such as \`!!binary\` and \`%YAML 1.1\` are refused.`;

/** docs/reference/config.md. */
export function configPage(generated: string): string {
  const rows = rowsOf(settingsShape(), "");
  const table = ["| key | value | default | meaning |", "|---|---|---|---|", ...rows].join("\n");
  return `# fairlead.yaml\n\n${generated}\n\n${INTRO}\n\n${table}\n\n${REST}\n`;
}

/** schema.json of the package. */
export function configSchema(): string {
  return `${JSON.stringify(editorSchema(), null, 2)}\n`;
}

function rowsOf(node: SchemaNode, prefix: string): string[] {
  const required = Array.isArray(node.required) ? node.required : [];
  return Object.entries(node.properties ?? {}).flatMap(([name, part]) => {
    const child = part as SchemaNode; // JSON, as its parent
    const key = prefix === "" ? name : `${prefix}.${name}`;
    const standard = required.includes(name) ? "required" : defaultText(child.default);
    const about = String(child.description ?? "").replaceAll("|", "\\|");
    return [`| \`${key}\` | ${typeText(child)} | ${standard} | ${about} |`, ...innerRows(child, key)];
  });
}

/** Rows of the tables inside: of an object, of what a list holds, of what the values of a table are. */
function innerRows(node: SchemaNode, key: string): string[] {
  const inner = [
    { part: node, name: key },
    { part: node.items, name: `${key}[]` },
    {
      part: typeof node.additionalProperties === "object" ? node.additionalProperties : undefined,
      name: `${key}.NAME`,
    },
  ];
  const own = inner.flatMap(({ part, name }) =>
    part?.properties === undefined ? [] : rowsOf(part as SchemaNode, name),
  );
  const alternatives = [...(node.anyOf ?? []), ...(inner[2].part?.anyOf ?? [])] as SchemaNode[];
  return [
    ...own,
    ...alternatives.flatMap((one) => (one.properties === undefined ? innerOf(one, key) : rowsOf(one, `${key}.NAME`))),
  ];
}

function innerOf(node: SchemaNode, key: string): string[] {
  return node.type === "object" ? innerRows(node, key) : [];
}

function typeText(node: SchemaNode): string {
  if (node.const !== undefined) {
    return `\`${String(node.const)}\``;
  }
  if (Array.isArray(node.enum)) {
    return node.enum.map((value) => `\`${String(value)}\``).join(", ");
  }
  if (Array.isArray(node.type) && node.examples !== undefined) {
    return examplesText(node);
  }
  if (node.anyOf !== undefined) {
    const named = node.anyOf.map((one) => typeText(one as SchemaNode));
    return [...new Set(named)].join(" or ");
  }
  switch (node.type) {
    case "array":
      return `list of ${node.items?.properties === undefined ? typeText((node.items ?? {}) as SchemaNode) : "tables"}`;
    case "object":
      return "table";
    case "string":
      return node.format === "secret" ? "secret" : node.format === "path" ? "path" : "text";
    case "integer":
      return "whole number";
    case "boolean":
      return "true or false";
    default:
      return typeof node.type === "string" ? node.type : "any";
  }
}

function examplesText(node: SchemaNode): string {
  return Array.isArray(node.examples) ? `like ${node.examples.map((one) => `\`${String(one)}\``).join(", ")}` : "any";
}

function defaultText(value: unknown): string {
  return value === undefined || isEmptyTable(value) ? "" : `\`${JSON.stringify(value)}\``;
}

function isEmptyTable(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
