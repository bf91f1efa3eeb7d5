import type { RowPlan } from "../kinds/plan.ts";

/** Which objects of a kind a reflector follows. */
export interface WatchScope {
  /** Only this namespace; absent = the whole cluster. */
  readonly namespace?: string;
  /** Terms beside the plan's own field selector. */
  readonly fieldSelector?: string;
}

/** Path of the collection: `/api/v1/namespaces/shop/pods`. */
export function collectionPath(plan: RowPlan, namespace?: string): string {
  const root = plan.apiVersion.includes("/") ? `/apis/${plan.apiVersion}` : `/api/${plan.apiVersion}`;
  const within = namespace === undefined ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${within}/${plan.plural}`;
}

/** Path of a watch. `version` "" starts at the newest; with `initial` the objects come first and then a mark. */
export function watchPath(
  plan: RowPlan,
  scope: WatchScope,
  options: { readonly version: string; readonly initial: boolean; readonly timeoutSeconds: number },
): string {
  const query = selectors(plan, scope);
  query.push("watch=1", "allowWatchBookmarks=true", `timeoutSeconds=${options.timeoutSeconds}`);
  if (options.initial) {
    query.push("sendInitialEvents=true", "resourceVersionMatch=NotOlderThan");
  }
  if (options.version !== "") {
    query.push(`resourceVersion=${encodeURIComponent(options.version)}`);
  }
  return `${collectionPath(plan, scope.namespace)}?${query.join("&")}`;
}

/** Path of a list page. With a token the other options are those of the first page and not sent again. */
export function listPath(
  plan: RowPlan,
  scope: WatchScope,
  options: { readonly version: string; readonly limit: number; readonly token: string },
): string {
  const query = selectors(plan, scope);
  if (options.limit > 0) {
    query.push(`limit=${options.limit}`);
  }
  if (options.token !== "") {
    query.push(`continue=${encodeURIComponent(options.token)}`);
  } else if (options.version !== "") {
    query.push(`resourceVersion=${encodeURIComponent(options.version)}`, "resourceVersionMatch=NotOlderThan");
  }
  return `${collectionPath(plan, scope.namespace)}${query.length === 0 ? "" : `?${query.join("&")}`}`;
}

function selectors(plan: RowPlan, scope: WatchScope): string[] {
  const query: string[] = [];
  const fields = [plan.fieldSelector, scope.fieldSelector].filter((one) => one !== undefined && one !== "").join(",");
  if (fields !== "") {
    query.push(`fieldSelector=${encodeURIComponent(fields)}`);
  }
  if (plan.labelSelector !== undefined && plan.labelSelector !== "") {
    query.push(`labelSelector=${encodeURIComponent(plan.labelSelector)}`);
  }
  return query;
}
