import type { PluginKube } from "../api/context.ts";
import { codeOf, messageOf } from "../errors.ts";
import type { RecordedWrite, WorkInFlight } from "./harness-records.ts";

/** Keeps what a plugin asks of the API server, beside handing it on. */
export class KubeRecorder {
  readonly #work: WorkInFlight;
  readonly #writes: RecordedWrite[] = [];

  constructor(work: WorkInFlight) {
    this.#work = work;
  }

  recorded(): readonly RecordedWrite[] {
    return [...this.#writes];
  }

  /** The verbs with the recorder between. */
  around(kube: PluginKube): PluginKube {
    return {
      get: (...given) => this.#work.track(kube.get(...given)),
      pages: (...given) => this.#tracked(kube.pages(...given)),
      list: (...given) => this.#tracked(kube.list(...given)),
      create: (target, object, options) =>
        this.#write(kube.create(target, object, options), {
          verb: "create",
          ...pick(target),
          name: target.name ?? nameIn(object.metadata),
          body: object,
        }),
      update: (target, object, options) =>
        this.#write(kube.update(target, object, options), { verb: "update", ...pick(target), body: object }),
      patch: (target, type, patch, options) =>
        this.#write(kube.patch(target, type, patch, options), { verb: "patch", ...pick(target), body: patch }),
      apply: (target, object, options) =>
        this.#write(kube.apply(target, object, options), { verb: "apply", ...pick(target), body: object }),
      delete: (target, options) => this.#write(kube.delete(target, options), { verb: "delete", ...pick(target) }),
      deleteCollection: (target, options) =>
        this.#write(kube.deleteCollection(target, options), { verb: "deleteCollection", ...pick(target) }),
      raw: (...given) => this.#work.track(kube.raw(...given)),
      json: (...given) => this.#work.track(kube.json(...given)),
    };
  }

  async #write<T>(answer: Promise<T>, write: RecordedWrite): Promise<T> {
    const at = this.#writes.push(structuredClone(write)) - 1;
    try {
      return await this.#work.track(answer);
    } catch (error) {
      this.#writes[at] = { ...this.#writes[at], error: { code: codeOf(error), message: messageOf(error) } };
      throw error;
    }
  }

  async *#tracked<T>(items: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const next = await this.#work.track(items.next());
      if (next.done) {
        return;
      }
      yield next.value;
    }
  }
}

function pick(target: {
  readonly apiVersion: string;
  readonly plural: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
}): Omit<RecordedWrite, "verb"> {
  const { apiVersion, plural, namespace, name, subresource } = target;
  return {
    apiVersion,
    plural,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  };
}

function nameIn(metadata: Readonly<Record<string, unknown>> | undefined): string | undefined {
  return typeof metadata?.name === "string" ? metadata.name : undefined;
}
