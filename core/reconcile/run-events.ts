import type { EventSubject, PluginEvents } from "../api/context.ts";
import type { ObjectReference } from "../api/hooks.ts";
import { FairleadError } from "../errors.ts";

/** Events of a controller about what it reconciles: objects as it has them, views of the store, references. */
export function reconcileEvents(
  report: (type: "Normal" | "Warning", about: ObjectReference, reason: string, message: string) => void,
  failed: (error: unknown) => void,
): PluginEvents {
  const send = (type: "Normal" | "Warning") => (about: EventSubject, reason: string, message: string) => {
    try {
      report(type, referenceTo(about), String(reason), String(message));
    } catch (error) {
      failed(error);
    }
  };
  return Object.freeze({ normal: send("Normal"), warn: send("Warning") });
}

function referenceTo(about: EventSubject): ObjectReference {
  if ("uid" in about && "name" in about) {
    return about;
  }
  const { apiVersion, kind, metadata } = plain(about);
  const { name, namespace, uid } = metadata ?? {};
  if (apiVersion === undefined || kind === undefined || name === undefined || uid === undefined) {
    throw new FairleadError(
      "PLUGIN_BAD_EVENT",
      "an event is about an object with apiVersion, kind, metadata.name and metadata.uid",
    );
  }
  return { apiVersion, kind, name, uid, ...(namespace === undefined ? {} : { namespace }) };
}

interface Described {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string; readonly uid?: string };
}

/** Views of the store tell what they are only in their JSON. */
function plain(about: object): Described {
  const isView = !("apiVersion" in about) && "toJSON" in about && typeof about.toJSON === "function";
  const object: unknown = isView ? Reflect.apply(about.toJSON as () => unknown, about, []) : about;
  // Every part is checked where it is used.
  return object as Described;
}
