import { askUpstreams, FAILOVER, hasCode, upstreamOrder } from "./forward.ts";
import { LoopProbe } from "./forward-loop.ts";
import type { ResolveClock } from "./resolve-clock.ts";
import { FollowedFile } from "./resolve-file.ts";
import { isUnder, wireName } from "./resolve-question.ts";
import type { Verdict } from "./resolve-verdict.ts";
import type { ForwardRoute } from "./settings.ts";
import { type ResolverParts, Upstream } from "./upstream.ts";
import { isOwn, nameServers, parseUpstream, type UpstreamAddress, upstreamText } from "./upstream-address.ts";
import type { UpstreamQuestion } from "./upstream-packet.ts";

/** Where log lines go. */
export interface ResolverLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** What routes need beside their options. */
export interface RouteSite extends ResolverParts {
  readonly log: ResolverLog;
  /** Where we listen, "ip:port": upstreams that are ourselves are left out. */
  ownAddresses(): readonly string[];
  readonly loopToken: string;
  readonly udpSize: number;
  readonly maxCnames: number;
}

/** One upstream as people see it. */
export interface UpstreamState {
  readonly address: string;
  readonly zone: string;
  readonly healthy: boolean;
  readonly looping: boolean;
}

/** All of one question, whatever the number of upstreams: less than the five seconds that clients wait. */
const TOTAL_MS = 4_500;
const SYSTEM_FILE = "/etc/resolv.conf";

/** Which upstreams are asked for which names: the route with the longest zone. */
export class ForwardRoutes {
  readonly #routes: readonly Route[];
  readonly #clock: ResolveClock;

  constructor(options: readonly ForwardRoute[], site: RouteSite) {
    this.#clock = site.clock;
    this.#routes = options.map((route) => new Route(route, site)).sort((a, b) => b.zone.length - a.zone.length);
  }

  get isEmpty(): boolean {
    return this.#routes.length === 0;
  }

  /** Whether there is anybody to ask for a name (wire, lower case). */
  has(name: string): boolean {
    return this.#routes.some((route) => route.takes(name));
  }

  /** Asks the routes of the name, longest zone first; the next one only after codes of `next`. Undefined: nobody replied. Never rejects. */
  async ask(question: UpstreamQuestion): Promise<Verdict | undefined> {
    const deadlineMs = this.#clock.now() + TOTAL_MS;
    const routes = this.#routes.filter((route) => route.takes(question.name));
    let last: Verdict | undefined;
    for (const [at, route] of routes.entries()) {
      const verdict = await route.ask(question, deadlineMs);
      last = verdict ?? last;
      const isLast = at === routes.length - 1;
      if (isLast || verdict === undefined || !hasCode(verdict, route.next)) {
        return verdict ?? last;
      }
    }
    return last;
  }

  /** Whether addresses of the name's answers may be private. */
  mayBePrivate(name: string): boolean {
    return this.#routes.find((route) => route.takes(name))?.mayBePrivate ?? true;
  }

  upstreams(): UpstreamState[] {
    return this.#routes.flatMap((route) => route.states());
  }

  close(): void {
    for (const route of this.#routes) {
      route.close();
    }
  }
}

class Route {
  /** On the wire. */
  readonly zone: string;
  readonly next: NonNullable<ForwardRoute["next"]>;
  readonly mayBePrivate: boolean;
  readonly #options: ForwardRoute;
  readonly #site: RouteSite;
  readonly #except: readonly string[];
  readonly #files: FollowedFile[] = [];
  readonly #fromFile = new Map<string, readonly UpstreamAddress[]>();
  #upstreams = new Map<string, { readonly upstream: Upstream; readonly probe: LoopProbe }>();
  #all: readonly Upstream[] = [];
  #turn = 0;

  constructor(options: ForwardRoute, site: RouteSite) {
    this.#options = options;
    this.#site = site;
    this.zone = wireName(options.zone) ?? "\0";
    this.next = options.next ?? [];
    this.mayBePrivate = options.rebindProtection !== true;
    this.#except = (options.except ?? []).flatMap((zone) => wireName(zone) ?? []);
    for (const to of options.to) {
      const path = to === "system" ? SYSTEM_FILE : to;
      if (path.startsWith("/")) {
        this.#follow(path);
      }
    }
    this.#rebuild();
  }

  takes(name: string): boolean {
    return isUnder(name, this.zone) && !this.#except.some((zone) => isUnder(name, zone));
  }

  ask(question: UpstreamQuestion, deadlineMs: number): Promise<Verdict | undefined> {
    const { policy, failFast = false, failover = FAILOVER } = this.#options;
    const order = upstreamOrder(this.#all, { policy, failFast, turn: this.#turn++ }, this.#site.random);
    return askUpstreams(order, question, { failover, deadlineMs, maxCnames: this.#site.maxCnames }, this.#site);
  }

  states(): UpstreamState[] {
    const zone = this.#options.zone === "" ? "." : this.#options.zone;
    return this.#all.map((upstream) => ({
      address: upstream.text,
      zone,
      healthy: !upstream.isDown,
      looping: upstream.isLooping,
    }));
  }

  close(): void {
    for (const file of this.#files) {
      file.close();
    }
    for (const { upstream, probe } of this.#upstreams.values()) {
      probe.close();
      upstream.close();
    }
  }

  #follow(path: string): void {
    let isFirst = true;
    const file = new FollowedFile(path, this.#site.clock, {
      onText: (text) => {
        this.#fromFile.set(path, nameServers(text));
        if (!isFirst) {
          this.#rebuild();
        }
      },
      onError: (error) =>
        this.#site.log.warn({ file: path, reason: error.message }, "the file with name servers cannot be read"),
    });
    isFirst = false;
    this.#files.push(file);
  }

  /** Upstreams that stay keep their sockets and what is known of them. */
  #rebuild(): void {
    const { log } = this.#site;
    const own = this.#site.ownAddresses();
    const before = this.#upstreams;
    const after: typeof before = new Map();
    for (const address of this.#addresses()) {
      const text = upstreamText(address);
      if (isOwn(address, own)) {
        log.warn({ upstream: text, zone: this.#options.zone }, "an upstream is this server itself and is left out");
        continue;
      }
      after.set(text, before.get(text) ?? this.#open(address));
    }
    for (const [text, { upstream, probe }] of before) {
      if (!after.has(text)) {
        probe.close();
        upstream.close();
      }
    }
    this.#upstreams = after;
    this.#all = [...after.values()].map(({ upstream }) => upstream);
    if (this.#all.length === 0) {
      log.warn({ zone: this.#options.zone }, "no upstream is left for a zone; its names get SERVFAIL");
    }
  }

  #addresses(): UpstreamAddress[] {
    return this.#options.to.flatMap((to) => {
      const path = to === "system" ? SYSTEM_FILE : to;
      return path.startsWith("/") ? (this.#fromFile.get(path) ?? []) : [parseUpstream(to)];
    });
  }

  #open(address: UpstreamAddress): { upstream: Upstream; probe: LoopProbe } {
    const { tcp, timeoutMs, maxFails = 2, randomCase = true, healthName = "" } = this.#options;
    const name = wireName(healthName) ?? "\0";
    const { log, loopToken, udpSize } = this.#site;
    const fields = { upstream: upstreamText(address), zone: this.#options.zone };
    const onHealth = (isDown: boolean): void => {
      if (isDown) {
        log.warn(fields, "an upstream does not answer; others are asked, or the names of its zone get SERVFAIL");
      } else {
        log.info(fields, "an upstream answers again");
      }
    };
    const rules = { tcp, timeoutMs, maxFails, randomCase, healthName: name, udpSize, onHealth };
    const upstream = new Upstream(address, rules, this.#site);
    const probe = new LoopProbe(upstream, { zone: this.zone, token: loopToken }, this.#site, {
      onLoop: (text, zone) =>
        log.warn({ upstream: text, zone }, "what this upstream is asked comes back to us; it is not used"),
      onEnd: (text, zone) =>
        log.info({ upstream: text, zone }, "this upstream does not loop any more; it is used again"),
    });
    return { upstream, probe };
  }
}
