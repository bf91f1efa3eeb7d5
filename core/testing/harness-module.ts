import { probed } from "./harness-probe.ts";

/** Imports the plugin that its own address names, and puts the probe around it: what a worker under test runs. */
const address = new URL(import.meta.url);
const { default: plugin } = await import(address.searchParams.get("plugin") ?? "");
const clock = address.searchParams.get("clock");

export default probed(plugin, { clockStartMs: clock === null ? undefined : Number(clock) });
