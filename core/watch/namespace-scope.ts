/** Namespaces by glob (`*`, `?`); deny wins. Default: all. */
export interface NamespaceScope {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

/**
 * How a scope is watched. `cluster`: one watch for all namespaces. `fixed`: one per listed namespace, which needs no right
 * to see namespaces. `follow`: one per namespace that exists and is allowed.
 */
export type ScopePlan =
  | { readonly kind: "cluster"; readonly fieldSelector?: string }
  | { readonly kind: "fixed"; readonly namespaces: readonly string[] }
  | { readonly kind: "follow" };

/** So many namespaces are left out by a field selector; for more, or for globs, each allowed one is watched by itself. */
const MAX_EXCLUDED = 32;

/** Chooses the cheapest way to watch a scope. */
export function planScope(scope: NamespaceScope): ScopePlan {
  const allow = allowed(scope);
  const deny = scope.deny ?? [];
  if (allow.includes("*")) {
    if (deny.length === 0) {
      return { kind: "cluster" };
    }
    if (deny.length <= MAX_EXCLUDED && deny.every(isLiteral)) {
      return { kind: "cluster", fieldSelector: deny.map((name) => `metadata.namespace!=${name}`).join(",") };
    }
    return { kind: "follow" };
  }
  if (allow.every(isLiteral)) {
    return { kind: "fixed", namespaces: [...new Set(allow)].filter((name) => isInScope(scope, name)) };
  }
  return { kind: "follow" };
}

/** True when objects of this namespace are wanted. */
export function isInScope(scope: NamespaceScope, namespace: string): boolean {
  const matches = (glob: string): boolean => matchesGlob(glob, namespace);
  return allowed(scope).some(matches) && !(scope.deny ?? []).some(matches);
}

function allowed(scope: NamespaceScope): readonly string[] {
  return scope.allow === undefined || scope.allow.length === 0 ? ["*"] : scope.allow;
}

function isLiteral(glob: string): boolean {
  return !/[*?]/.test(glob);
}

/** Linear in practice: only the last star is ever tried again. */
function matchesGlob(glob: string, text: string): boolean {
  let at = 0;
  let star = -1;
  let mark = 0;
  let i = 0;
  while (i < text.length) {
    if (glob[at] === "*") {
      star = at++;
      mark = i;
    } else if (at < glob.length && (glob[at] === "?" || glob[at] === text[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++mark;
    } else {
      return false;
    }
  }
  while (glob[at] === "*") {
    at++;
  }
  return at === glob.length;
}
