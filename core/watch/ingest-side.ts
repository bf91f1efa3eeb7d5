import { PerformanceObserver, performance } from "node:perf_hooks";
import { connect, type HttpTransport } from "../kube/http-transport.ts";
import type { Logger } from "../log.ts";
import type { StoreWriter } from "../store/store.ts";
import { createEngine, type Engine } from "./engine.ts";
import type { IngestAsk, IngestFigures, IngestSetup } from "./ingest-messages.ts";

/** The engine with its connection, on the thread that owns both. */
export interface IngestSide {
  /** Does what is asked; throws or rejects with the reason. */
  answer(ask: IngestAsk): unknown;
  /** Resolves when no request, timer or socket is left. */
  stop(): Promise<void>;
}

/** Connects and starts to follow. */
export function openIngestSide(
  setup: IngestSetup,
  store: StoreWriter,
  log: Logger,
  mode: "thread" | "inline",
): IngestSide {
  const transport = connect(setup.access, {
    warn: (detail, facts) => log.warn({ ...facts, detail }, "connection"),
  });
  const engine = createEngine({ ...setup, transport, store, log, block: mode === "thread" ? blocker() : undefined });
  const collections = new CollectionMeter();
  engine.start();
  return {
    answer: (ask) => answer(ask, engine, () => figures(mode, transport, collections)),
    async stop() {
      engine.stop();
      collections.stop();
      await transport.close();
    },
  };
}

/** Sleeps without a turn of the event loop: sockets go on to be filled by the system. */
function blocker(): (ms: number) => void {
  const never = new Int32Array(new SharedArrayBuffer(4));
  return (ms) => void Atomics.wait(never, 0, 0, ms);
}

function answer(ask: IngestAsk, engine: Engine, readFigures: () => IngestFigures): unknown {
  switch (ask.kind) {
    case "setPlans":
      return engine.setPlans(ask.plans);
    case "relist":
      return engine.relist(ask.name, ask.reason);
    case "wake":
      return engine.wake();
    case "audit":
      return engine.audit(ask.name);
    case "activity":
      return engine.status();
    case "figures":
      return readFigures();
    default:
      return ask satisfies never;
  }
}

function figures(mode: "thread" | "inline", transport: HttpTransport, collections: CollectionMeter): IngestFigures {
  const memory = process.memoryUsage();
  const cpu = mode === "thread" ? process.threadCpuUsage() : process.cpuUsage();
  const { connections, requests, bytesIn, reconnects, protocol } = transport.stats();
  return {
    mode,
    cpuMs: (cpu.user + cpu.system) / 1000,
    heapUsedBytes: memory.heapUsed,
    heapTotalBytes: memory.heapTotal,
    externalBytes: memory.external,
    utilization: performance.eventLoopUtilization().utilization,
    ...collections.read(),
    connections,
    requests,
    bytesIn,
    reconnects,
    protocol,
  };
}

/** Counts garbage collections from the first reading on: nobody pays for figures that nobody asks for. */
class CollectionMeter {
  #observer: PerformanceObserver | undefined;
  #count = 0;
  #ms = 0;

  read(): { readonly collections: number; readonly collectionMs: number } {
    if (this.#observer === undefined) {
      this.#observer = new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          this.#count++;
          this.#ms += entry.duration;
        }
      });
      this.#observer.observe({ entryTypes: ["gc"] });
    }
    return { collections: this.#count, collectionMs: this.#ms };
  }

  stop(): void {
    this.#observer?.disconnect();
  }
}
