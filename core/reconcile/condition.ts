/** A condition of a status, as `metav1.Condition`. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** One word in CamelCase, for programs. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
  /** When `status` last changed, RFC 3339. */
  readonly lastTransitionTime?: string;
  /** The generation of the object that it is about. */
  readonly observedGeneration?: number;
}

/**
 * A condition for a status: `condition("Available", ready > 0, "NoPods", "no pod is ready")`. undefined is "Unknown". The reason is
 * by default the type, or "Not<type>", or "Unknown"; the message is empty. Times come when it is written: see `setCondition`.
 */
export function condition(
  type: string,
  status: boolean | Condition["status"] | undefined,
  reason?: string,
  message = "",
): Condition {
  const shown = typeof status === "boolean" ? (status ? "True" : "False") : (status ?? "Unknown");
  const usual = shown === "True" ? type : shown === "False" ? `Not${type}` : "Unknown";
  return { type, status: shown, reason: reason ?? usual, message };
}

/** What `setCondition` adds to a condition that does not say it. */
export interface ConditionContext {
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  /** Of the object. */
  readonly generation?: number | undefined;
}

/**
 * The list with this condition in place of the one of its type. The time of the last transition stays while the status does. The
 * others stay as they are.
 */
export function setCondition(
  conditions: readonly Condition[] | undefined,
  wanted: Condition,
  { nowMs, generation }: ConditionContext,
): Condition[] {
  const list = conditions ?? [];
  const before = list.find(({ type }) => type === wanted.type);
  const kept = before?.status === wanted.status ? before.lastTransitionTime : undefined;
  const observed = wanted.observedGeneration ?? generation;
  const next: Condition = {
    type: wanted.type,
    status: wanted.status,
    ...(observed === undefined ? {} : { observedGeneration: observed }),
    lastTransitionTime: wanted.lastTransitionTime ?? kept ?? timeText(nowMs),
    reason: wanted.reason,
    message: wanted.message,
  };
  return before === undefined ? [...list, next] : list.map((one) => (one === before ? next : one));
}

/** RFC 3339 with whole seconds, as `metav1.Time`. */
function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
