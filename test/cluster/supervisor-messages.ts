/** What the process that starts a cluster asks of its supervisor. */
export type SupervisorRequest =
  | {
      readonly kind: "spawn";
      readonly name: string;
      readonly command: string;
      readonly args: readonly string[];
      readonly logPath: string;
    }
  /** The first process of a real node: with it end all others of the node. */
  | { readonly kind: "node"; readonly firstPid: number }
  | { readonly kind: "signal"; readonly name: string; readonly signal: NodeJS.Signals }
  | { readonly kind: "end" };

/** What the supervisor tells: a component runs, or has ended. */
export type SupervisorNotice =
  | { readonly kind: "spawned"; readonly name: string; readonly pid: number }
  | { readonly kind: "exited"; readonly name: string; readonly reason: string }
  | { readonly kind: "ended" };
