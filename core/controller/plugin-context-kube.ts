import type { PluginKube } from "../api/context.ts";
import type { Answer, CallOptions } from "../kube/call.ts";
import type { KubeObject, ListOptions, ListPage, Resource } from "../kube/client.ts";
import type { KubeVerb, PluginSite } from "./plugin-site.ts";

/** The verbs of the API server over a plugin's site. `ended` cancels what is under way when the plugin ends. Default: nothing. */
export function createPluginKube(site: Pick<PluginSite, "kube">, ended?: AbortSignal): PluginKube {
  const call = (verb: KubeVerb, args: readonly unknown[], options: CallOptions = {}): Promise<unknown> => {
    const { signal, ...rest } = options;
    const until = signal === undefined || ended === undefined ? (signal ?? ended) : AbortSignal.any([ended, signal]);
    return site.kube({ verb, args: [...args, rest] }, until);
  };
  // The site answers with what the method of the client gives.
  const object = (verb: KubeVerb, args: readonly unknown[], options?: CallOptions): Promise<KubeObject> =>
    call(verb, args, options) as Promise<KubeObject>;
  async function* pages(target: Resource, options: ListOptions = {}): AsyncGenerator<ListPage, void, undefined> {
    let token = "";
    do {
      const page = (await call("page", [target], { ...options, continue: token } as ListOptions)) as ListPage;
      yield page;
      token = page.continue;
    } while (token !== "");
  }
  return Object.freeze({
    get: (target, options) => object("get", [target], options),
    pages,
    async *list(target, options) {
      for await (const page of pages(target, options)) {
        yield* page.items;
      }
    },
    create: (target, given, options) => object("create", [target, given], options),
    update: (target, given, options) => object("update", [target, given], options),
    patch: (target, type, patch, options) => object("patch", [target, type, patch], options),
    apply: (target, given, options) => object("apply", [target, given], options),
    delete: (target, options) => object("delete", [target], options),
    deleteCollection: (target, options) => object("deleteCollection", [target], options),
    async raw(request, options) {
      const { head, body } = (await call("raw", [request], options)) as Answer;
      // From another thread it comes as a plain array of bytes.
      return { head, body: Buffer.isBuffer(body) ? body : Buffer.from(body) };
    },
    json: (request, options) => object("json", [request], options),
  } satisfies PluginKube);
}
