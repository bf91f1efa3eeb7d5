import type { Bench } from "./bench.ts";
import { childBench } from "./child-bench.ts";

/** All benches, in the order of the help text. Their code is loaded when they run. */
export const BENCHES: readonly Bench[] = [
  {
    name: "core",
    summary: "memory, CPU and time beside client-go and kube-rs on the real control plane",
    run: async (options) => (await import("./core.ts")).benchCore(options),
  },
  childBench({
    name: "projection",
    summary: "bytes of a pod to a row: protobuf, JSON and JSON.parse",
    title: "Projection: bytes to rows",
    file: "projection",
  }),
  childBench({
    name: "store",
    summary: "reads from threads under updates, bytes per object, cost of a write by size",
    title: "Store",
    file: "store",
  }),
  {
    name: "loop",
    summary: "main loop while 10,000 pods arrive and at 1,000 events/s; cost of an event by size",
    run: async (options) => (await import("./loop.ts")).benchLoop(options),
  },
  {
    name: "embed",
    summary: "latency of a web service while it loads 10,000 pods, beside the same service alone",
    run: async (options) => (await import("./embed.ts")).benchEmbed(options),
  },
  childBench({
    name: "isolation",
    summary: "a plugin in a thread of its own: memory, start, and what others feel while one does harm",
    title: "Isolation of plugins",
    file: "isolation",
  }),
  {
    name: "reconcile",
    summary: "reconciles of 10,000 objects beside controller-runtime on the real API server",
    run: async (options) => (await import("./reconcile.ts")).benchReconcile(options),
  },
  childBench({
    name: "schedules",
    summary: "10,000 random schedules of both controllers, killed and started again at random",
    title: "Random schedules",
    file: "schedules",
  }),
  {
    name: "election",
    summary:
      "leaders that are killed, paused and cut off, with client-go among them: takeover, and whether two ever act",
    run: async (options) => (await import("./election.ts")).benchElection(options),
  },
  {
    name: "image",
    summary: "the container image under runc: start, memory and CPU as its cgroup counts them",
    run: async (options) => (await import("./image.ts")).benchImage(options),
  },
  {
    name: "faults",
    summary: "what the watch engine does when servers and networks misbehave",
    run: async (options) => (await import("./faults.ts")).benchFaults(options),
  },
  childBench({
    name: "inventory",
    summary: "a change in the inventory plugin's model with 4,000 and with 150,000 pods",
    title: "Inventory",
    file: "inventory",
  }),
  {
    name: "dns",
    summary: "answers a second, latency, start and memory of the dns plugin beside CoreDNS, with dnsperf",
    run: async (options) => (await import("./dns.ts")).benchDns(options),
  },
  childBench({
    name: "fuzz",
    summary: "10 million broken inputs to the decoders",
    title: "Fuzzing of the decoders",
    file: "fuzz-wire",
  }),
  childBench({
    name: "stress",
    summary: "a writer and readers on all cores, readers killed at random",
    title: "Stress of the shared store",
    file: "stress-store",
  }),
];
