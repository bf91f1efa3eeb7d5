/** One write that the API server took. */
export interface OwnWrite {
  /** Name of the kind in the store. */
  readonly kind: string;
  /** "namespace/name", or the name of a cluster-scoped object. */
  readonly key: string;
  /** From the answer; "" where it has none, as after a delete that was done at once. */
  readonly resourceVersion: string;
  readonly verb: "create" | "update" | "patch" | "apply" | "status" | "finalizer" | "delete";
  /**
   * The resourceVersion of the state that this write replaced: "" when there was none, undefined when it is not known for
   * sure. Between it and the answer there is nothing of anybody else.
   */
  readonly before: string | undefined;
}

/** What one reconcile's writes pass through. */
export interface RunHooks {
  /** Aborted when the reconcile must end. */
  readonly signal: AbortSignal;
  /** Before each write is sent. Throws what forbids it: RECONCILE_TIMEOUT, RECONCILE_STOPPED, ELECTION_LOST. */
  fence(): void;
  /** After each write that the server took; dry runs are none. */
  wrote(write: OwnWrite): void;
  /** A write has failed, whether anybody awaits it or not. Default: nobody is told but who awaits it. */
  failed?(error: unknown): void;
}
