import type { RowPlan } from "../kinds/plan.ts";
import type { Exchange, Transport } from "../kube/transport.ts";
import { RowBuilder } from "../store/row.ts";
import { acceptHeader, createListDecoder, formatOf, type ListDecoder, metadataPlan } from "../wire/decoder.ts";
import type { Clock } from "./clock.ts";
import { listPath, type WatchScope } from "./paths.ts";
import { TextInterner } from "./row-text.ts";

/** A probe that is under way. */
export interface Probe {
  cancel(): void;
}

/** What a probe needs of its surroundings. */
export interface ProbeHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits: { readonly headMs: number };
}

/**
 * Asks the server for its present version by a consistent list of one object. Calls back once: with the version, or
 * undefined when there was no usable answer in time.
 */
export function startProbe(
  plan: RowPlan,
  scope: WatchScope,
  host: ProbeHost,
  done: (version: string | undefined) => void,
): Probe {
  let decoder: ListDecoder | undefined;
  let over = false;
  let exchange: Exchange | undefined;
  const finish = (version: string | undefined): void => {
    if (!over) {
      over = true;
      timer.clear();
      exchange?.cancel();
      done(version);
    }
  };
  const timer = host.clock.setTimer(host.limits.headMs, () => finish(undefined));
  const attempt = (read: () => void): void => {
    try {
      read();
    } catch {
      // What cannot be read tells no version; the caller asks again later.
      finish(undefined);
    }
  };
  exchange = host.transport.open(
    {
      method: "GET",
      path: listPath(plan, scope, { version: "", limit: 1, token: "" }),
      headers: { accept: acceptHeader(plan, "audit") },
      headTimeoutMs: host.limits.headMs,
    },
    {
      head(head) {
        const format = head.status === 200 ? formatOf(head.headers["content-type"]) : undefined;
        if (format === undefined) {
          finish(undefined);
          return;
        }
        attempt(() => {
          const sink = { item: () => {} };
          decoder = createListDecoder(metadataPlan(plan), format, new TextInterner(), new RowBuilder(64), sink);
        });
      },
      data: (chunk) => attempt(() => decoder?.push(chunk)),
      end: () => attempt(() => finish(decoder?.end().resourceVersion || undefined)),
      fail: () => finish(undefined),
    },
  );
  if (over) {
    exchange.cancel();
  }
  return {
    cancel() {
      over = true;
      timer.clear();
      exchange?.cancel();
    },
  };
}
