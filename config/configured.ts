import { type Controller, createController } from "../core/controller/create-controller.ts";
import { codeOf, messageOf } from "../core/errors.ts";
import type { ClusterSource } from "../core/kube/access.ts";
import { LOG_LEVELS, type LogLevel } from "../core/log.ts";
import { followOptionsOf, kindsNamed, numberOption } from "./cluster-options.ts";
import { type CommandContext, listOption, type ParsedOptions, textOption } from "./command.ts";
import { ConfigState } from "./config-state.ts";
import { type ConfiguredController, configChanges, toControllerOptions } from "./file/controller-options.ts";
import { type LoadedConfig, loadConfig } from "./file/load.ts";
import { problemLine } from "./file/problem.ts";
import { redactText } from "./file/redaction.ts";
import { type ConfigWatch, watchConfig } from "./file/watch.ts";
import { follow } from "./follow.ts";
import { openLog, type ProgramLog } from "./log.ts";

/** What to run, and on what. */
export interface ConfiguredRun {
  /** Path of the configuration. */
  readonly path: string;
  /** What is followed, for the heading of the screen. */
  readonly title: string;
  /** Instead of the cluster that the configuration names. */
  readonly cluster?: ClusterSource;
}

/**
 * Runs a configuration until the signal: plugins, status server and log. Its files are watched, and what changes in them is
 * taken over; SIGHUP reads them at once. Rejects with what keeps it from starting; nothing is left running then.
 */
export async function runConfigured(run: ConfiguredRun, parsed: ParsedOptions, context: CommandContext): Promise<void> {
  const how = followOptionsOf(parsed, context, run.title, "log");
  let watching: ConfigWatch | undefined;
  // First of all, so that one that comes early ends nothing. Before there is a watch it changes nothing: that begins with a look.
  context.onHangup(
    () => void readAgain(watching, (files) => log.info({ files }, "configuration read again, nothing changed")),
  );
  const config = await loadConfig(run.path);
  const options = await withFlags(toControllerOptions(config), parsed);
  const secrets = new Set(config.secrets);
  const redact = (line: string): string => redactText(line, secrets);
  const log = openLog({ level: levelOf(config, parsed), signal: true, redact });
  try {
    const state = new ConfigState();
    const controller = createController({
      ...options,
      cluster: run.cluster ?? options.cluster,
      log,
      status: options.status === undefined ? undefined : { ...options.status, logLevel: log },
      statisticsEveryMs: config.settings.log.statisticsEveryMs,
      health: { checks: state.checks },
      metrics: options.status === undefined ? undefined : { more: state.metrics },
    });
    log.info({ files: config.files }, "configuration read");
    const live: Live = { controller, log, state, parsed, secrets, signal: context.signal };
    await follow(controller, { ...how, log }, context, () => {
      watching = watchFiles(run.path, config, live);
      return watching;
    });
  } catch (error) {
    // For who reads the log alone; the terminal is told by the program.
    log.error({ code: codeOf(error), detail: messageOf(error) }, "ended by an error");
    throw error;
  } finally {
    await log.close();
  }
}

/** Who asks by SIGHUP is told that nothing changed, too. Failures are told by `onError` of the watch. */
async function readAgain(watching: ConfigWatch | undefined, onSame: (files: readonly string[]) => void): Promise<void> {
  const before = watching?.current.texts;
  await watching?.reload();
  if (watching !== undefined && watching.problem === undefined && sameTexts(watching.current.texts, before)) {
    onSame(watching.current.files);
  }
}

function sameTexts(now: ReadonlyMap<string, string>, before: ReadonlyMap<string, string> | undefined): boolean {
  return (
    before !== undefined && now.size === before.size && [...now].every(([file, text]) => before.get(file) === text)
  );
}

/** What changes with the files. */
interface Live {
  readonly controller: Controller;
  readonly log: ProgramLog;
  readonly state: ConfigState;
  readonly parsed: ParsedOptions;
  /** Values that no line of the log may have; those of former configurations stay. */
  readonly secrets: Set<string>;
  /** Aborted when the program is told to end. */
  readonly signal: AbortSignal;
}

function watchFiles(path: string, current: LoadedConfig, live: Live): ConfigWatch {
  const { log, state } = live;
  const first = current;
  return watchConfig(path, {
    current,
    async onChange(next) {
      for (const secret of next.secrets) {
        live.secrets.add(secret);
      }
      const { plugins } = await withFlags(toControllerOptions(next), live.parsed);
      await live.controller.reload(plugins);
      log.level = levelOf(next, live.parsed);
      // Against what was started with: a change that is taken back needs no restart.
      const { afterRestart } = configChanges(first, next);
      state.taken(afterRestart);
      log.info({ files: next.files }, "configuration reloaded");
      if (afterRestart.length > 0) {
        log.warn({ parts: afterRestart }, "changes of the configuration need a restart");
      }
    },
    onError(error, problems) {
      if (live.signal.aborted) {
        log.debug({ code: error.code }, "a change of the configuration was given up: the program ends");
        return;
      }
      state.refused(error.message);
      const detail = problems.length === 0 ? error.message : undefined;
      const lines = problems.map(problemLine);
      log.error(
        { code: error.code, detail, problems: lines },
        "changed configuration is not used; the old one runs on",
      );
    },
  });
}

function levelOf(config: LoadedConfig, parsed: ParsedOptions): LogLevel {
  return LOG_LEVELS.find((name) => name === textOption(parsed, "log-level")) ?? config.settings.log.level;
}

/** Flags win over the file. */
async function withFlags(options: ConfiguredController, parsed: ParsedOptions): Promise<ConfiguredController> {
  const kubeconfig = textOption(parsed, "kubeconfig");
  const context = textOption(parsed, "context");
  const plurals = listOption(parsed, "kinds");
  const allow = listOption(parsed, "namespaces");
  const deny = listOption(parsed, "deny-namespaces");
  const isDryRun = options.dryRun === true || parsed.values["dry-run"] === true;
  return {
    ...options,
    cluster:
      kubeconfig === undefined
        ? { ...options.cluster, ...(context === undefined ? {} : { context }) }
        : { kubeconfig, context },
    kinds: plurals.length === 0 ? options.kinds : await kindsNamed(plurals),
    namespaces: {
      allow: allow.length === 0 ? options.namespaces?.allow : allow,
      deny: deny.length === 0 ? options.namespaces?.deny : deny,
    },
    maxBytes: numberOption(parsed, "max-bytes", 1 << 20) ?? options.maxBytes,
    ingest: parsed.values.inline === true ? "inline" : options.ingest,
    dryRun: isDryRun,
    plugins: isDryRun ? options.plugins.map((entry) => ({ ...entry, dryRun: true })) : options.plugins,
  };
}
