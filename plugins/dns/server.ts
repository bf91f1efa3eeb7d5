import type { ThreadContext } from "../../core/api/index.ts";
import { showPlace } from "./address.ts";
import { Responder } from "./answer.ts";
import { type Counters, MOST_EXTRA } from "./counters.ts";
import { deskParts, wantsResolver } from "./desk-parts.ts";
import { HookLine } from "./hook-line.ts";
import { NameIndex } from "./name-index.ts";
import { listenError } from "./port-guard.ts";
import { QueryDesk } from "./query-desk.ts";
import type { Resolver } from "./resolver.ts";
import { extraValues } from "./server-figures.ts";
import { type FromServer, isIpv6Only, type ServerData, type ToServer } from "./server-messages.ts";
import type { DnsSettings } from "./settings.ts";
import { SharedFigures } from "./shared-figures.ts";
import { TcpListener } from "./tcp-listener.ts";
import { UdpListener } from "./udp-listener.ts";
import { feedZone, type ZoneFeed } from "./zone-feed.ts";
import type { zoneNeeds } from "./zone-needs.ts";
import { programmingHistogram } from "./zone-programming.ts";

type Context = ThreadContext<ServerData, ToServer, FromServer, typeof zoneNeeds>;

/** A thread that was started anew waits so long for the names of the cluster before it answers, milliseconds. */
const CATCH_UP_MS = 5000;
/** And the first one so long: of a store that is complete already, as when options change, the names are there at once. */
const FIRST_NAMES_MS = 1000;
const FIGURES_EVERY_MS = 1000;
const MOST_SEED = 2 ** 31;
/** Outstanding questions are looked at so often at the end, milliseconds. */
const DRAIN_LOOK_MS = 20;

/** Answers DNS on sockets of its own. Runs in a thread of the plugin; imports neither zod nor anything of Kubernetes. */
export default async function serve(context: Context): Promise<void> {
  const { settings, worker, figures: memory } = context.data;
  const figures = SharedFigures.attach(memory, settings.workers);
  const counters = figures.counters(worker);
  const life = figures.begin(worker);
  counters.set("tcpOpen", 0);
  const server = new DnsServer(context, { figures, counters, life });
  context.stop.addEventListener("abort", () => server.close());
  context.onMessage((message) => server.hear(message));
  context.post({ kind: "begun" });
  await server.openIndex();
  await server.openSockets();
}

interface ServerParts {
  readonly figures: SharedFigures;
  readonly counters: Counters;
  /** Which life of the thread this is; 1 is the first. */
  readonly life: number;
}

class DnsServer {
  readonly #context: Context;
  readonly #figures: SharedFigures;
  readonly #counters: Counters;
  readonly #life: number;
  readonly #hook: HookLine;
  #settings: DnsSettings;
  #desk: QueryDesk | undefined;
  #changing: Promise<void> = Promise.resolve();
  readonly #firstIndex = Promise.withResolvers<NameIndex>();
  #index: NameIndex | undefined;
  #feed: ZoneFeed | undefined;
  #responder: Responder | undefined;
  #resolver: Resolver | undefined;
  #udp: (UdpListener | undefined)[] = [];
  #tcp: TcpListener[] = [];
  #reporter: NodeJS.Timeout | undefined;

  constructor(context: Context, { figures, counters, life }: ServerParts) {
    this.#context = context;
    this.#figures = figures;
    this.#counters = counters;
    this.#life = life;
    this.#settings = context.data.settings;
    const { maxUdp } = this.#settings;
    this.#hook = new HookLine({
      counters,
      maxUdp,
      recursionAvailable: () => this.#settings.forward.length > 0,
      isTapped: () => figures.isTapped,
      post: (question) => context.post(question),
    });
  }

  /**
   * The first thread makes the index of names; the others wait to be told of it. A thread that is started anew answers only
   * when its names are complete, since what comes until then is kept for it; or after a while in any case.
   */
  async openIndex(): Promise<void> {
    const { log, data, store, metrics } = this.#context;
    const { worker, ownAddresses, seed } = data;
    const { zone } = this.#settings;
    if (worker > 0) {
      await this.#firstIndex.promise;
    } else {
      const index = NameIndex.create({ maxBytes: zone.maxIndexBytes, seed });
      const programmed = programmingHistogram(metrics);
      this.#index = index;
      this.#feed = feedZone({
        store,
        index,
        zone,
        ownAddresses,
        onFull: () => this.#onFull(),
        onRenewed: (renewed) => this.#use(renewed),
        onProgrammed: (seconds, isHeadless) =>
          programmed.observe(seconds, { service_kind: isHeadless ? "headless_with_selector" : "cluster_ip" }),
        onError: (error, key) => log.error({ key, detail: String(error) }, "names of a service could not be written"),
      });
      const synced = this.#feed.synced.then(() => this.#announce());
      // Other threads have the index of the life before until this one is complete.
      await Promise.race([synced, after(this.#life > 1 ? CATCH_UP_MS : FIRST_NAMES_MS)]);
      if (this.#life === 1) {
        this.#announce();
      }
    }
    this.#reporter = setInterval(() => this.#report(), FIGURES_EVERY_MS);
  }

  /**
   * Goes over to other settings: sockets, zone and cache stay. In the order in which they come. Settings that cannot be used
   * change nothing.
   */
  change(settings: DnsSettings): void {
    this.#changing = this.#changing.then(() => this.#apply(settings)).catch((error: unknown) => this.#refused(error));
  }

  async openSockets(): Promise<void> {
    const applied = this.#changing.then(() => this.#apply(this.#settings));
    this.#changing = applied.catch(() => undefined);
    await applied;
    const settings = this.#settings;
    const counters = this.#counters;
    const desk = this.#desk;
    if (desk === undefined) {
      throw new Error("there is nothing that answers");
    }
    for (const place of settings.listen) {
      const { address, port, udp, tcp } = place;
      const ipv6Only = isIpv6Only(place, settings.listen);
      const onError = (error: Error): void => this.#failed(listenError(place, error));
      const shared = { address, port, ipv6Only, desk, counters, onError };
      try {
        const { maxUdp, limits } = settings;
        const { receiveBuffer } = limits;
        this.#udp.push(udp ? await UdpListener.open({ ...shared, maxUdp, receiveBuffer }) : undefined);
        if (tcp) {
          this.#tcp.push(await TcpListener.open({ ...shared, limits }));
        }
      } catch (error) {
        this.close();
        throw listenError(place, error);
      }
    }
    this.#tellBuffer();
  }

  hear(message: ToServer): void {
    switch (message.kind) {
      case "answer":
        this.#hook.answered(message.id, message.answer);
        return;
      case "held":
        for (const { at, query, from } of message.queries) {
          this.#counters.count("takenOver");
          this.#udp[at]?.take(Buffer.from(query.buffer, query.byteOffset, query.length), from);
        }
        return;
      case "index":
        // Made by the first thread, which runs the same code.
        this.#use(
          NameIndex.attach(message.handle as Parameters<typeof NameIndex.attach>[0], this.#context.data.worker),
        );
        return;
      case "settings":
        this.change(message.settings);
        return;
      case "drain":
        this.#drain();
        return;
      default:
        message satisfies never;
    }
  }

  close(): void {
    clearInterval(this.#reporter);
    for (const socket of [...this.#udp, ...this.#tcp]) {
      socket?.close();
    }
    this.#feed?.close();
    void this.#resolver?.close();
  }

  /** Makes what answers under these settings, and has the sockets ask it. */
  async #apply(settings: DnsSettings): Promise<void> {
    const { data, log } = this.#context;
    const index = this.#index;
    if (index === undefined) {
      this.#settings = settings;
      return;
    }
    const { zone, maxUdp, forward } = settings;
    await this.#openResolver(settings);
    const responder = new Responder(this.#index ?? index, {
      // Only where a list begins; nothing depends on it.
      seed: Math.floor(Math.random() * MOST_SEED),
      zone,
      maxUdp,
      recursionAvailable: forward.length > 0,
      fallthrough: { zone: zone.fallthrough, reverse: forward.length > 0 },
    });
    const hook = this.#hook;
    const others = wantsResolver(settings) ? this.#resolver : undefined;
    const parts = deskParts({ settings, zone: responder, others, hook, counters: this.#counters, log });
    this.#settings = settings;
    this.#responder = responder;
    if (this.#desk === undefined) {
      this.#desk = new QueryDesk(parts);
    } else {
      this.#desk.use(parts);
      log.debug({ thread: data.worker }, "other settings taken over");
    }
  }

  /** Loaded only where there is something to forward or an alias; kept from then on, with what it has under way. */
  async #openResolver(settings: DnsSettings): Promise<void> {
    const { data, log } = this.#context;
    if (this.#resolver !== undefined) {
      this.#resolver.reload(settings);
    } else if (wantsResolver(settings)) {
      const { createResolver } = await import("./resolver.ts");
      const ownAddresses = (): readonly string[] => settings.listen.map(showPlace);
      this.#resolver = createResolver({ options: settings, ownAddresses, log, loopToken: data.loopToken });
    }
  }

  /** Tells the other threads where the index is. */
  #announce(): void {
    const index = this.#index;
    if (index !== undefined) {
      this.#context.post({ kind: "index", handle: index.handle });
      this.#report();
    }
  }

  #use(index: NameIndex): void {
    this.#index = index;
    this.#firstIndex.resolve(index);
    this.#responder?.use(index);
    if (this.#context.data.worker === 0) {
      this.#announce();
    }
    this.#report();
  }

  #report(): void {
    const { worker } = this.#context.data;
    const index = this.#index;
    if (index === undefined) {
      return;
    }
    this.#figures.setSynced(worker, index.isSynced);
    this.#figures.setFull(worker, index.isFull);
    const values = extraValues({
      index: worker === 0 ? index.stats : undefined,
      feed: this.#feed?.stats,
      resolver: this.#resolver?.stats,
    });
    for (const [at, value] of values.slice(0, MOST_EXTRA).entries()) {
      this.#counters.setExtra(at, value);
    }
  }

  #onFull(): void {
    const { zone } = this.#settings;
    this.#report();
    this.#context.log.error(
      { maxBytes: zone.maxIndexBytes },
      "the index of names is full, new names are refused; raise limits.indexBytes",
    );
  }

  #tellBuffer(): void {
    const asked = this.#settings.limits.receiveBuffer;
    const granted = Math.min(...this.#udp.flatMap((socket) => socket?.receiveBuffer ?? []));
    if (!Number.isFinite(granted)) {
      return;
    }
    this.#counters.set("receiveBuffer", granted);
    const fields = { asked, granted };
    if (granted < asked) {
      this.#context.log.warn(fields, "smaller receive buffer than asked for: raise net.core.rmem_max of the machine");
    } else {
      this.#context.log.debug(fields, "receive buffer");
    }
  }

  #refused(error: unknown): void {
    this.#context.log.error({ detail: String(error) }, "changed options cannot be used, those from before stay");
  }

  #failed(error: unknown): void {
    this.#context.log.error({ detail: String(error) }, "the thread cannot go on answering, and is started anew");
    setImmediate(() => {
      throw error;
    });
  }

  #drain(): void {
    for (const listener of this.#tcp) {
      listener.drain();
    }
    const look = setInterval(() => {
      const pending = [...this.#udp, ...this.#tcp].reduce((sum, socket) => sum + (socket?.pending ?? 0), 0);
      if (pending === 0) {
        clearInterval(look);
        this.#context.post({ kind: "drained" });
      }
    }, DRAIN_LOOK_MS);
    look.unref();
  }
}

/** Resolves after that time; does not keep the thread. */
function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
