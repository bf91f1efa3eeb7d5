import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { FairleadError } from "../../core/errors.ts";
import type { FromServer, FromSubject, ToServer, ToSubject } from "./loop-messages.ts";
import type { PodSize } from "./loop-pods.ts";

const ANSWER_DEADLINE_MS = 300_000;
const END_DEADLINE_MS = 10_000;

type ReportMessage = Extract<FromSubject, { kind: "report" }>;
type SyncedMessage = Extract<FromSubject, { kind: "synced" }>;
type ChurnedMessage = Extract<FromServer, { kind: "churned" }>;

/** The process whose main loop is measured. */
export class Subject {
  readonly #child = forkBuilt("loop-subject");

  async start(kubeconfig: string, mode: "thread" | "inline" | "none"): Promise<SyncedMessage> {
    this.#send({ kind: "start", kubeconfig, mode });
    // Only loop-subject.ts talks on this channel, in the types of loop-messages.ts.
    return (await answer(this.#child, "synced")) as SyncedMessage;
  }

  async reset(): Promise<void> {
    this.#send({ kind: "reset" });
  }

  async report(): Promise<ReportMessage> {
    this.#send({ kind: "report" });
    // Only loop-subject.ts talks on this channel, in the types of loop-messages.ts.
    return (await answer(this.#child, "report")) as ReportMessage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endChild(this.#child, () => this.#send({ kind: "stop" }));
  }

  #send(message: ToSubject): void {
    this.#child.send(message);
  }
}

/** The process that holds the API server. */
export class Server {
  readonly #child = forkBuilt("loop-server");

  /** Without `podsPerSecond` they are sent as fast as the client reads. Gives the path of a kubeconfig. */
  async load(pods: number, size: PodSize, podsPerSecond?: number): Promise<string> {
    this.#send({ kind: "load", pods, size, podsPerSecond });
    // Only loop-server.ts talks on this channel, in the types of loop-messages.ts.
    return ((await answer(this.#child, "loaded")) as Extract<FromServer, { kind: "loaded" }>).kubeconfig;
  }

  async churn(ratePerSecond: number, forMs: number): Promise<ChurnedMessage> {
    this.#send({ kind: "churn", ratePerSecond, forMs });
    // Only loop-server.ts talks on this channel, in the types of loop-messages.ts.
    return (await answer(this.#child, "churned")) as ChurnedMessage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endChild(this.#child, () => this.#send({ kind: "stop" }));
  }

  #send(message: ToServer): void {
    this.#child.send(message);
  }
}

/** Another program of a bench: it answers messages by messages with a `kind`. Ends when it is told `{ kind: "end" }`. */
export class Child<To extends { readonly kind: string }> {
  readonly #child: ChildProcess;

  constructor(file: string) {
    this.#child = forkBuilt(file);
  }

  /** Sends a message and resolves with the first one of that kind that comes after it. */
  async ask(message: To, kind: string): Promise<unknown> {
    const answered = answer(this.#child, kind);
    this.#child.send(message);
    return await answered;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endChild(this.#child, () => this.#child.send({ kind: "end" }));
  }
}

function forkBuilt(name: string): ChildProcess {
  return fork(fileURLToPath(new URL(`../../dist/test/bench/${name}.js`, import.meta.url)), [], {
    serialization: "advanced",
  });
}

function answer(child: ChildProcess, kind: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      settle(() => reject(new FairleadError("BENCH_NO_ANSWER", `${why} before "${kind}"`)));
    const timer = setTimeout(() => fail(`no answer within ${ANSWER_DEADLINE_MS} ms`), ANSWER_DEADLINE_MS);
    const onExit = (code: number | null): void => fail(`process ended with ${code ?? "a signal"}`);
    const onMessage = (message: unknown): void => {
      if (typeof message === "object" && message !== null && "kind" in message && message.kind === kind) {
        settle(() => resolve(message));
      }
    };
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      child.off("exit", onExit).off("message", onMessage);
      act();
    };
    child.on("exit", onExit).on("message", onMessage);
  });
}

async function endChild(child: ChildProcess, ask: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const kill = setTimeout(() => child.kill("SIGKILL"), END_DEADLINE_MS);
  ask();
  await ended;
  clearTimeout(kill);
}
