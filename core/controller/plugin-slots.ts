import { availableParallelism } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { codeOf, FairleadError, messageOf } from "../errors.ts";
import { type AnyKind, mergeKinds } from "../kinds/kind.ts";
import { bootOrder } from "./boot-order.ts";
import type { PluginDeclaration } from "./plugin-declaration.ts";
import type { PluginEntry } from "./plugin-entry.ts";
import type { PluginSlot } from "./plugin-slot.ts";

/** A name for as long as the plugin's own is not known. */
export function fallbackName({ use }: PluginEntry, at: number): string {
  if (!(use instanceof URL)) {
    const name =
      typeof use === "object" && use !== null ? Object.getOwnPropertyDescriptor(use, "name")?.value : undefined;
    return typeof name === "string" && name !== "" ? name : `plugin-${at + 1}`;
  }
  const path = use.protocol === "file:" ? use.pathname.split("/") : [];
  const file = path.pop()?.replace(/\.[cm]?[jt]s$/, "");
  return (file === "index" ? path.pop() : file) || `plugin-${at + 1}`;
}

/** As `Promise.allSettled` over all slots, but not all at once: threads that start together only make each other late. */
export async function settleAll(
  slots: readonly PluginSlot[],
  what: (slot: PluginSlot) => Promise<void>,
): Promise<PromiseSettledResult<void>[]> {
  const results: PromiseSettledResult<void>[] = [];
  const atOnce = Math.max(2, availableParallelism());
  for (let at = 0; at < slots.length; at += atOnce) {
    results.push(...(await Promise.allSettled(slots.slice(at, at + atOnce).map(what))));
  }
  return results;
}

/** True when a reload may leave the plugin as it is. */
export function isSameEntry(a: PluginEntry, b: PluginEntry): boolean {
  const { use: useA, ...restA } = a;
  const { use: useB, ...restB } = b;
  const isSameUse = useA instanceof URL && useB instanceof URL ? useA.href === useB.href : useA === useB;
  return isSameUse && isDeepStrictEqual(restA, restB);
}

/** True when nothing but the options differs. */
export function isSameButOptions(a: PluginEntry, b: PluginEntry): boolean {
  return isSameEntry({ ...a, options: undefined }, { ...b, options: undefined });
}

/** Those that loaded, in the order of their start; the others at the end. */
export function ordered(slots: readonly PluginSlot[]): PluginSlot[] {
  const names = bootOrder(declarationsOf(slots)).map(({ name }) => name);
  const place = (slot: PluginSlot): number => (slot.state === "failed" ? names.length : names.indexOf(slot.name));
  return [...slots].sort((a, b) => place(a) - place(b));
}

/**
 * Throws PLUGIN_NEEDS when two plugins, or a plugin and the embedder, want the same kind in ways that exclude each other.
 * `own`: the embedder's kinds.
 */
export function checkKinds(slots: readonly PluginSlot[], own: readonly AnyKind[]): void {
  const wanted = new Map<string, { readonly kind: AnyKind; readonly by: string }>();
  const all = [
    ...own.map((kind) => ({ kind, by: "the embedding program" })),
    ...slots.flatMap(({ name, kinds, state }) =>
      state === "failed" ? [] : kinds.map((kind) => ({ kind, by: `plugin "${name}"` })),
    ),
  ];
  for (const { kind, by } of all) {
    const before = wanted.get(kind.name);
    if (before === undefined) {
      wanted.set(kind.name, { kind, by });
      continue;
    }
    try {
      wanted.set(kind.name, { kind: mergeKinds([before.kind, kind]), by: `${before.by} and ${by}` });
    } catch (error) {
      throw new FairleadError("PLUGIN_NEEDS", `${by} cannot run beside ${before.by}: ${messageOf(error)}`, {
        cause: error,
        facts: { kind: kind.name, reason: codeOf(error) },
      });
    }
  }
}

/** What those declare that loaded. */
export function declarationsOf(slots: readonly PluginSlot[]): PluginDeclaration[] {
  return slots
    .filter(({ state }) => state !== "failed")
    .map(({ declaration }) => declaration)
    .filter((declaration) => declaration !== undefined);
}

/** One after the other, the last one first. */
export async function stopAll(slots: readonly PluginSlot[]): Promise<void> {
  for (const slot of slots.toReversed()) {
    await slot.stop();
  }
}

/** For the debug log: what took how long, and what waited for what. */
export function bootTree(slots: readonly PluginSlot[]): readonly Readonly<Record<string, unknown>>[] {
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  const names = new Map(
    slots.flatMap(({ name, declaration }) => [name, ...(declaration?.provides ?? [])].map((it) => [it, name])),
  );
  return slots.map(({ name, state, times, declaration }) => ({
    plugin: name,
    state,
    after: [...new Set(declaration?.after.flatMap((it) => names.get(it) ?? []))],
    loadMs: round(times.loadMs),
    setupMs: round(times.setupMs),
    startMs: round(times.startMs),
  }));
}
