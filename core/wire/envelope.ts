import type { RowPlan } from "../kinds/plan.ts";
import { ROW_HEADER } from "../store/row.ts";
import { brokenFrame, wrongKind } from "./broken.ts";
import type { ProtobufCursor } from "./protobuf-cursor.ts";
import { sameBytes } from "./row-writer.ts";

/** The first bytes of every protobuf object of Kubernetes: "k8s" and a zero byte. */
export const MAGIC = new Uint8Array([0x6b, 0x38, 0x73, 0x00]);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Checks the apiVersion and kind of what arrives against the plan. */
export class KindCheck {
  readonly #expected: string;
  readonly #apiVersion: Uint8Array;
  readonly #kind: Uint8Array;
  /** A metadata list may come as the whole objects, when the server knows no better; never as a Table. */
  readonly #anyKind: boolean;

  constructor(plan: RowPlan, list: boolean) {
    const kind = list ? `${plan.kind}List` : plan.kind;
    this.#expected = `${plan.apiVersion} ${kind}`;
    this.#apiVersion = encoder.encode(plan.apiVersion);
    this.#kind = encoder.encode(kind);
    this.#anyKind = isMetadataPlan(plan);
  }

  /** Throws WIRE_WRONG_KIND; an absent value is no difference. */
  kind(bytes: Uint8Array, start: number, end: number): void {
    if (end - start === this.#kind.length && sameBytes(this.#kind, bytes, start)) {
      return;
    }
    const found = text(bytes, start, end);
    if (found !== "" && !(this.#anyKind && found !== "Table" && found !== "Status")) {
      throw wrongKind(this.#expected, `kind "${found}"`);
    }
  }

  /** Throws WIRE_WRONG_KIND; an absent value is no difference. */
  apiVersion(bytes: Uint8Array, start: number, end: number): void {
    const same = end - start === this.#apiVersion.length && sameBytes(this.#apiVersion, bytes, start);
    if (!same && start !== end && !this.#anyKind) {
      throw wrongKind(this.#expected, `apiVersion "${text(bytes, start, end)}"`);
    }
  }

  /** Both, from a protobuf TypeMeta. */
  typeMeta(cursor: ProtobufCursor, bytes: Uint8Array, start: number, end: number): void {
    let from = cursor.find(bytes, start, end, 2);
    this.kind(bytes, from, cursor.at);
    from = cursor.find(bytes, start, end, 1);
    this.apiVersion(bytes, from, cursor.at);
  }
}

/** A short text for a message, or for a comparison of rare things. */
export function text(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, end));
}

/** True for the plans that `metadataPlan` makes. */
export function isMetadataPlan(plan: RowPlan): boolean {
  return plan.kind === "PartialObjectMetadata";
}

/** The plan of a drift audit: name, namespace, uid, versions and times only. */
export function metadataPlan(plan: RowPlan): RowPlan {
  return {
    ...plan,
    apiVersion: "meta.k8s.io/v1",
    kind: "PartialObjectMetadata",
    builtIn: true,
    keep: "fields",
    cells: [],
    fixedWords: ROW_HEADER,
    indexes: [],
  };
}

/** The object inside `runtime.Unknown`, which begins with the magic bytes: gives where it begins, `cursor.at` is where it ends. */
export function unwrap(
  cursor: ProtobufCursor,
  check: KindCheck | undefined,
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start < MAGIC.length || !sameBytes(MAGIC, bytes, start)) {
    throw brokenFrame("an object does not begin with the Kubernetes protobuf prefix");
  }
  const from = start + MAGIC.length;
  if (check !== undefined) {
    const meta = cursor.find(bytes, from, end, 1);
    check.typeMeta(cursor, bytes, meta, cursor.at);
  }
  const encoding = cursor.find(bytes, from, end, 3);
  if (encoding !== cursor.at) {
    throw brokenFrame("an object has a content encoding");
  }
  return cursor.find(bytes, from, end, 2);
}

/** True for a wrapped object of kind `Status`. */
export function isStatus(cursor: ProtobufCursor, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < MAGIC.length) {
    return false;
  }
  const meta = cursor.find(bytes, start + MAGIC.length, end, 1);
  const kind = cursor.find(bytes, meta, cursor.at, 2);
  return text(bytes, kind, cursor.at) === "Status";
}
