import { FairleadError } from "../errors.ts";
import type { Problem } from "./problems.ts";

const POLL_MS = 50;
/** Phases of a kind that does not get complete without help from outside: not served, forbidden. */
const OUT_OF_REACH: readonly number[] = [5, 6];

/** Problems that do not go away while one waits: the caller is told after a moment, not after the whole time. */
const HOPELESS: readonly string[] = ["KUBE_TLS", "KUBE_UNAUTHORIZED", "KUBE_AUTH"];
const HOPELESS_AFTER_MS = 3000;

/** What is waited for. */
export interface Load {
  readonly store: {
    readonly kinds: readonly string[];
    status(kind: string): { readonly synced: boolean; readonly phase: number };
    whenSynced(): Promise<void>;
  };
  /** 0 waits for ever. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** For the message. */
  readonly server: string;
  problemOf(kind: string): Problem | undefined;
}

/**
 * Resolves when every kind is complete or out of reach. The counters are in shared memory, so that looking costs nothing.
 * Throws CONTROLLER_START_TIMEOUT, CONTROLLER_STOPPED, and what is wrong with certificates or credentials (KUBE_*).
 */
export async function untilLoaded({ store, timeoutMs, signal, server, problemOf }: Load): Promise<void> {
  const startedAt = performance.now();
  const waiting = (): string[] =>
    store.kinds.filter((kind) => {
      const status = store.status(kind);
      return !status.synced && !OUT_OF_REACH.includes(status.phase);
    });
  await new Promise<void>((resolve, reject) => {
    const timer = setInterval(look, POLL_MS);
    function finish(error?: FairleadError): void {
      clearInterval(timer);
      signal.removeEventListener("abort", look);
      if (error === undefined) {
        resolve();
      } else {
        reject(error);
      }
    }
    function look(): void {
      if (signal.aborted) {
        finish(new FairleadError("CONTROLLER_STOPPED", "the controller was stopped before its caches were complete"));
        return;
      }
      const kinds = waiting();
      if (kinds.length === 0) {
        finish();
        return;
      }
      const waitedMs = performance.now() - startedAt;
      const problems = kinds.map(problemOf);
      const problem = problems.find((found) => found !== undefined);
      const isHopeless = problems.every((found) => found !== undefined && HOPELESS.includes(found.code));
      if (problem !== undefined && isHopeless && waitedMs > HOPELESS_AFTER_MS) {
        finish(new FairleadError(problem.code, `${server}: ${problem.detail}`, { facts: { kinds, server } }));
        return;
      }
      if (timeoutMs > 0 && waitedMs > timeoutMs) {
        finish(
          new FairleadError(
            "CONTROLLER_START_TIMEOUT",
            `the caches of ${kinds.join(", ")} were not complete after ${timeoutMs} ms: ` +
              (problem === undefined
                ? `${server} is slow; raise startTimeoutMs`
                : `${problem.detail} (${problem.code}, ${server})`),
            { facts: { kinds, server, problem: problem?.code } },
          ),
        );
      }
    }
    signal.addEventListener("abort", look);
    // Sooner than the next look; a store that is closed meanwhile is told by the signal.
    store.whenSynced().then(look, () => {});
    look();
  });
}
