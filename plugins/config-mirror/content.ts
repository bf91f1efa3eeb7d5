import { createHash } from "node:crypto";
import type { KubeObject } from "../../core/api/index.ts";

/** On every copy: it is one, and who made it. */
export const COPY_LABEL = "config-mirror.fairlead.dev/copy";
/** On every copy: namespace of the source; the source has the copy's own name. */
export const SOURCE_LABEL = "config-mirror.fairlead.dev/source-namespace";

/** What of a ConfigMap is copied. */
export interface Content {
  readonly data: Readonly<Record<string, string>>;
  /** Base64. */
  readonly binaryData: Readonly<Record<string, string>>;
  readonly immutable: boolean;
}

/** Reads the content of a ConfigMap. */
export function contentOf(object: KubeObject): Content {
  return { data: texts(object.data), binaryData: texts(object.binaryData), immutable: object.immutable === true };
}

/** One text for each content: the same for the same content, whatever the order of its keys. */
export function digestOf(content: Content): string {
  const hash = createHash("sha256");
  for (const map of [content.data, content.binaryData]) {
    for (const key of Object.keys(map).sort()) {
      // Lengths keep keys and values apart.
      hash.update(`${key.length}:${key}=${map[key].length}:${map[key]}`);
    }
    hash.update("|");
  }
  return hash.update(String(content.immutable)).digest("base64");
}

/** Bytes as the API server counts them against its limit of 1 MiB. */
export function sizeOf(content: Content): number {
  let bytes = 0;
  for (const [key, value] of Object.entries(content.data)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(content.binaryData)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value, "base64");
  }
  return bytes;
}

/** A new copy. */
export function newCopy(
  source: { readonly namespace: string; readonly name: string },
  namespace: string,
  content: Content,
): KubeObject {
  const labels = { [COPY_LABEL]: "true", [SOURCE_LABEL]: source.namespace };
  return withContent(
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: source.name, namespace, labels } },
    content,
  );
}

/** A copy as it is, with this content: what others wrote into its metadata stays. */
export function withContent(copy: KubeObject, content: Content): KubeObject {
  const { data: _data, binaryData: _binary, immutable: _immutable, ...rest } = copy;
  return {
    ...rest,
    ...(Object.keys(content.data).length > 0 ? { data: content.data } : {}),
    ...(Object.keys(content.binaryData).length > 0 ? { binaryData: content.binaryData } : {}),
    ...(content.immutable ? { immutable: true } : {}),
  };
}

/** Labels of an object as the API server gives it. */
export function labelsOf(object: KubeObject): Readonly<Record<string, string>> {
  return texts(object.metadata?.labels);
}

function texts(value: unknown): Readonly<Record<string, string>> {
  // The API server has checked that these maps hold texts.
  return typeof value === "object" && value !== null ? (value as Readonly<Record<string, string>>) : {};
}
