import { FairleadError } from "../errors.ts";
import type { RowPlan } from "../kinds/plan.ts";
import type { Transport } from "../kube/transport.ts";
import { ROW_NAMESPACE, RowBuilder } from "../store/row.ts";
import { acceptHeader, createListDecoder, formatOf, type ListDecoder, metadataPlan } from "../wire/decoder.ts";
import type { Clock } from "./clock.ts";
import { listPath, type WatchScope } from "./paths.ts";
import { nameOf, TextInterner, versionOf } from "./row-text.ts";

const PAGE = 1000;

/** What a list needs of its surroundings. */
export interface ListHost {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly limits: { readonly headMs: number; readonly pageMs: number };
}

/** Lists namespace, name and version of every object of a kind, page by page; resolves to the list's version. */
export async function listIdentities(
  plan: RowPlan,
  scope: WatchScope,
  host: ListHost,
  signal: AbortSignal,
  visit: (namespace: string, name: string, version: string) => void,
): Promise<string> {
  let token = "";
  let version = "";
  do {
    const path = listPath(plan, scope, { version: "", limit: PAGE, token });
    const page = await listPage(plan, path, host, signal, visit);
    version ||= page.version;
    token = page.token;
  } while (token !== "");
  return version;
}

function listPage(
  plan: RowPlan,
  path: string,
  host: ListHost,
  signal: AbortSignal,
  visit: (namespace: string, name: string, version: string) => void,
): Promise<{ version: string; token: string }> {
  const interner = new TextInterner();
  return new Promise((resolve, reject) => {
    let decoder: ListDecoder | undefined;
    const give = (end: () => void): void => {
      timer.clear();
      signal.removeEventListener("abort", onAbort);
      exchange.cancel();
      end();
    };
    const onAbort = (): void => give(() => reject(new FairleadError("WATCH_AUDIT_STOPPED", "the audit was stopped")));
    const attempt = (read: () => void): void => {
      try {
        read();
      } catch (error) {
        give(() => reject(error));
      }
    };
    const timer = host.clock.setTimer(host.limits.pageMs, () => {
      give(() => reject(new FairleadError("KUBE_TIMEOUT", `a list page took longer than ${host.limits.pageMs} ms`)));
    });
    const exchange = host.transport.open(
      { method: "GET", path, headers: { accept: acceptHeader(plan, "audit") }, headTimeoutMs: host.limits.headMs },
      {
        head: (head) =>
          attempt(() => {
            const format = head.status === 200 ? formatOf(head.headers["content-type"]) : undefined;
            if (format === undefined) {
              throw new FairleadError(
                "WATCH_AUDIT_REFUSED",
                `the audit's list was answered with status ${head.status}`,
              );
            }
            decoder = createListDecoder(metadataPlan(plan), format, interner, new RowBuilder(256), {
              item: (row) => visit(interner.text(row.words[ROW_NAMESPACE]), nameOf(row), versionOf(row)),
            });
          }),
        data: (chunk) => attempt(() => decoder?.push(chunk)),
        end: () =>
          attempt(() => {
            const end = decoder?.end();
            give(() => resolve({ version: end?.resourceVersion ?? "", token: end?.continueToken ?? "" }));
          }),
        fail: (error) => give(() => reject(error)),
      },
    );
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
