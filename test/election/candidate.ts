import { appendFileSync } from "node:fs";
import type { PluginContext } from "../../core/api/context.ts";
import type { Plugin } from "../../core/api/index.ts";
import { codeOf, messageOf } from "../../core/errors.ts";
import { createController } from "../../core/index.ts";
import type { CandidateOptions } from "./candidates.ts";

// A candidate in a process of its own. Its plugin writes to the journal all the time, whether it leads or not: that a write
// of one who does not lead is refused is what is to be shown.

// Given by the contest, which wrote it.
const options = JSON.parse(process.argv[2]) as CandidateOptions;
const { namespace, journal, identity } = options;

const note = (line: string): void => appendFileSync(options.logFile, `${Date.now()} ${line}\n`);

const needs = { configmaps: ["labels"] } as const;

const writer: Plugin<undefined, typeof needs> = {
  name: "writer",
  apiVersion: "fairlead/v1",
  needs,
  permissions: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["patch"] }],
  setup({ hooks, kube, timers }: PluginContext<undefined, typeof needs>) {
    hooks.leading.tap(() => note("leading"));
    hooks.following.tap(() => note("following"));
    const target = { apiVersion: "v1", plural: "configmaps", namespace, name: journal };
    hooks.synced.tap(() => {
      timers.every(options.everyMs, async () => {
        try {
          await kube.patch(target, "merge", { data: { holder: identity } }, { timeoutMs: 2_000 });
        } catch (error) {
          if (codeOf(error) !== "ELECTION_NOT_LEADER" && codeOf(error) !== "ELECTION_LOST") {
            note(`write failed: ${codeOf(error)} ${messageOf(error)}`);
          }
        }
      });
    });
  },
};

const controller = createController({
  cluster: { kubeconfig: options.kubeconfig },
  plugins: [{ use: writer, rateLimit: { perSecond: 1000, burst: 1000 } }],
  leaderElection: { namespace, lease: options.lease, identity, ...options.times },
  namespaces: { allow: [namespace] },
  auditEveryMs: 0,
});
process.once("SIGTERM", () => void controller.stop());
await controller.start();
note("started");
