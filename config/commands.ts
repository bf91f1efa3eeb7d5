import { LOG_LEVELS } from "../core/log.ts";
import type { CommandSpec, OptionSpec } from "./command.ts";

const outputOptions: Readonly<Record<string, OptionSpec>> = {
  output: { value: "FORM", about: "text (default on a terminal) or json, one object a line", oneOf: ["text", "json"] },
  "log-level": {
    value: "LEVEL",
    about: `${LOG_LEVELS.join(", ")}; lines go to stderr (default warn; with a configuration what it says, or info)`,
    oneOf: LOG_LEVELS,
  },
};

const configOption: Readonly<Record<string, OptionSpec>> = {
  config: {
    value: "FILE",
    about: "default: fairlead.yaml, then /etc/fairlead/fairlead.yaml",
    complete: "file",
  },
};

const followOptions: Readonly<Record<string, OptionSpec>> = {
  for: { value: "DURATION", about: "end after this long, such as 20s or 5m (default: until ctrl-c)" },
  "status-every": { value: "DURATION", about: "time between status lines of --output json (default 10s)" },
  inline: { about: "run the watches on the main thread instead of one of their own" },
  ...outputOptions,
};

const connectionOptions: Readonly<Record<string, OptionSpec>> = {
  kubeconfig: {
    value: "FILE",
    about: "default: KUBECONFIG, then ~/.kube/config, then the service account",
    complete: "file",
  },
  context: { value: "NAME", about: "context of the kubeconfig (default: its current one)" },
};

const scopeOptions: Readonly<Record<string, OptionSpec>> = {
  namespaces: { value: "GLOBS", about: "only these namespaces (default: all, cluster-wide)", repeat: true },
  "deny-namespaces": { value: "GLOBS", about: "never these namespaces; wins over --namespaces", repeat: true },
  "max-bytes": {
    value: "NUMBER",
    about: "largest size of the store in bytes; objects above it are refused (default 268435456)",
  },
};

const clusterOptions: Readonly<Record<string, OptionSpec>> = {
  ...connectionOptions,
  kinds: {
    value: "LIST",
    about: "kinds to follow, by plural, separated by commas (default: the workload kinds)",
    repeat: true,
  },
  ...scopeOptions,
};

/** Every command of the program, in the order of the help. */
export const commands: readonly CommandSpec[] = [
  {
    name: "run",
    about: "run the plugins of a configuration, or follow a cluster without one",
    options: {
      config: {
        value: "FILE",
        about: "default: fairlead.yaml, then /etc/fairlead/fairlead.yaml, then none; options of this line win over it",
        complete: "file",
      },
      "dry-run": { about: "whatever plugins write is checked by the server, but not stored" },
      ...clusterOptions,
      ...followOptions,
    },
    examples: [
      "fairlead run --config fairlead.yaml",
      "fairlead run --config fairlead.yaml --dry-run --log-level debug",
      "fairlead run",
      "fairlead run --kinds pods,services --namespaces 'team-*' --deny-namespaces team-sandbox",
      "fairlead run --for 20s --output json",
    ],
    load: async () => (await import("./run.ts")).run,
  },
  {
    name: "demo",
    about: "follow a simulated cluster, without needing one",
    options: {
      config: { value: "FILE", about: "run the plugins of this configuration on it", complete: "file" },
      pods: { value: "NUMBER", about: "size of the simulated cluster (default 300)" },
      rate: { value: "NUMBER", about: "changes a second in it (default 20)" },
      seed: { value: "NUMBER", about: "the same seed plays the same cluster (default 1)" },
      ...followOptions,
    },
    examples: [
      "fairlead demo",
      "fairlead demo --for 20s --output json",
      "fairlead demo --pods 10000 --rate 500",
      "fairlead demo --config fairlead.yaml",
    ],
    load: async () => (await import("./demo.ts")).demo,
  },
  {
    name: "plugins",
    about: "list the built-in plugins, or show what those of a configuration ask for",
    options: {
      config: {
        value: "FILE",
        about: "show its plugins: where they run, what they read, who asked for it",
        complete: "file",
      },
      measure: { about: "start them on the cluster in a dry run: adds hooks, objects, and bytes that these take" },
      ...outputOptions,
    },
    examples: ["fairlead plugins", "fairlead plugins --config fairlead.yaml --measure"],
    load: async () => (await import("./plugins.ts")).plugins,
  },
  {
    name: "plugin",
    usage: "new NAME [FOLDER] [options]",
    words: ["new"],
    maxArguments: 3,
    about: "make a new plugin that works, with its tests",
    options: { output: outputOptions.output },
    examples: ["fairlead plugin new pod-audit", "fairlead plugin new @acme/pod-audit ./audit"],
    load: async () => (await import("./plugin-command.ts")).plugin,
  },
  {
    name: "rbac",
    about: "print the service account and the least rights that a configuration needs, for kubectl apply",
    options: {
      ...configOption,
      name: { value: "NAME", about: "name of all objects (default fairlead)" },
      namespace: { value: "NAME", about: "namespace in which Fairlead runs (default default)" },
      output: { value: "FORM", about: "yaml (default) or json, a List", oneOf: ["yaml", "json"] },
    },
    examples: [
      "fairlead rbac --config fairlead.yaml | kubectl apply -f -",
      "fairlead rbac --namespace system --name watcher --output json",
    ],
    load: async () => (await import("./rbac.ts")).rbac,
  },
  {
    name: "crd",
    usage: "FILE… [options]",
    maxArguments: 100,
    about: "print the CustomResourceDefinitions of the resources that modules export, for kubectl apply",
    options: {
      output: { value: "FORM", about: "yaml (default) or json", oneOf: ["yaml", "json"] },
    },
    examples: ["fairlead crd ./webapp.ts | kubectl apply -f -", "fairlead crd ./webapp.ts ./database.ts --output json"],
    load: async () => (await import("./crd.ts")).crd,
  },
  {
    name: "check",
    about: "find every mistake of a configuration, and the rights that it lacks",
    options: {
      ...configOption,
      offline: { about: "look at the files and plugins alone, not at the cluster" },
      output: outputOptions.output,
    },
    examples: ["fairlead check", "fairlead check --config fairlead.yaml --offline", "fairlead check --output json"],
    load: async () => (await import("./check.ts")).check,
  },
  {
    name: "print",
    about: "show the configuration that would run: files joined, defaults filled in, secrets hidden",
    options: {
      ...configOption,
      output: { value: "FORM", about: "yaml (default) or json", oneOf: ["yaml", "json"] },
    },
    examples: ["fairlead print", "fairlead print --config fairlead.yaml --output json"],
    load: async () => (await import("./print.ts")).print,
  },
  {
    name: "inventory",
    usage: "summary|workloads|services|nodes|namespaces [options]",
    words: ["summary", "workloads", "services", "nodes", "namespaces"],
    about: "load a cluster once and show what runs where",
    options: {
      ...connectionOptions,
      ...scopeOptions,
      namespace: { value: "NAME", about: "only workloads and services of this namespace" },
      text: { value: "TEXT", about: "only those with this in their name" },
      limit: { value: "NUMBER", about: "at most so many (default: all)" },
      ...outputOptions,
    },
    examples: [
      "fairlead inventory summary",
      "fairlead inventory workloads --namespace shop",
      "fairlead inventory services --output json",
    ],
    load: async () => (await import("./inventory.ts")).inventory,
  },
  {
    name: "dns",
    usage: "lookup NAME [TYPE] | bench [NAME [TYPE]] [options]",
    words: ["lookup", "bench"],
    maxArguments: 3,
    about: "ask a DNS server, such as the plugin dns, one question or as many as it can answer",
    options: {
      server: { value: "ADDRESS", about: "address, or address:port (default 127.0.0.1:5353)" },
      config: { value: "FILE", about: "ask where the plugin dns of this configuration answers", complete: "file" },
      tcp: { about: "ask over TCP" },
      timeout: { value: "DURATION", about: "lookup: wait so long for an answer (default 5s)" },
      names: { value: "FILE", about: "bench: questions, a name and a type on each line", complete: "file" },
      for: { value: "DURATION", about: "bench: ask for so long (default 10s)" },
      rate: { value: "NUMBER", about: "bench: questions a second (default: as many as are answered)" },
      clients: { value: "NUMBER", about: "bench: sockets (default 16)" },
      outstanding: { value: "NUMBER", about: "bench: questions on their way for each of them (default 64)" },
      output: { ...outputOptions.output, about: "text (default) or json" },
    },
    examples: [
      "fairlead dns lookup cart.shop.svc.cluster.local",
      "fairlead dns lookup 10.0.0.1 --server 127.0.0.1:5353 --output json",
      "fairlead dns bench kubernetes.default.svc.cluster.local A --for 5s",
    ],
    load: async () => (await import("./dns.ts")).dns,
  },
  {
    name: "store",
    usage: "stats|dump [KIND] [options]",
    words: ["stats", "dump"],
    maxArguments: 2,
    about: "load a cluster once and show what the store holds",
    options: {
      ...clusterOptions,
      limit: { value: "NUMBER", about: "objects that dump prints of each kind (default 20)" },
      namespace: { value: "NAME", about: "dump only objects of this namespace" },
      ...outputOptions,
    },
    examples: ["fairlead store stats", "fairlead store dump pods --namespace shop --limit 5"],
    load: async () => (await import("./store.ts")).store,
  },
  {
    name: "completion",
    usage: "bash|zsh|fish",
    words: ["bash", "zsh", "fish"],
    about: "print a script that completes commands and options in a shell",
    options: {},
    examples: ["source <(fairlead completion bash)", "fairlead completion fish | source"],
    load: async () => (await import("./completion.ts")).completion,
  },
  {
    name: "version",
    about: "print the versions of Fairlead and Node",
    options: { output: outputOptions.output },
    examples: ["fairlead version", "fairlead version --output json"],
    load: async () => (await import("./version.ts")).version,
  },
];
