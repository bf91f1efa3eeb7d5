import type { Logger } from "../../core/api/index.ts";
import { Acl } from "./acl.ts";
import type { Counters } from "./counters.ts";
import type { HookLine } from "./hook-line.ts";
import type { DeskParts, OtherAnswers, ZoneAnswers } from "./query-desk.ts";
import { queryLog } from "./query-log.ts";
import { RateLimit } from "./rate-limit.ts";
import type { DnsSettings } from "./settings.ts";

/** What the parts of a desk are made of. */
export interface DeskSources {
  readonly settings: DnsSettings;
  readonly zone: ZoneAnswers;
  readonly others: OtherAnswers | undefined;
  readonly hook: HookLine;
  readonly counters: Counters;
  readonly log: Logger;
}

/** What a desk works with under these settings. */
export function deskParts({ settings, zone, others, hook, counters, log }: DeskSources): DeskParts {
  const { acl, limits, maxUdp, forward } = settings;
  return {
    zone,
    others,
    forwards: forward.length > 0,
    hook,
    acl: new Acl(acl),
    queries: new RateLimit(limits.queriesPerClient),
    errors: new RateLimit(limits.errorsPerNetwork),
    counters,
    maxUdp,
    panicked: (error) =>
      log.error(
        { detail: error instanceof Error ? error.stack : String(error) },
        "a question failed within the program and was answered with SERVFAIL",
      ),
    log: queryLog({
      ...settings.log,
      log,
      now: () => performance.now(),
      random: Math.random,
      logged: () => counters.count("logLines"),
    }),
  };
}

/** True where there is anything but the zone to ask. */
export function wantsResolver({ aliases, forward }: DnsSettings): boolean {
  return Object.keys(aliases.names).length > 0 || aliases.file !== undefined || forward.length > 0;
}
