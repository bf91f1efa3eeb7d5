import { FairleadError } from "../errors.ts";
import {
  forgetMessages,
  type Message,
  type MessageField,
  messageOf,
  messageOfKind,
  type WireType,
} from "../kinds/message.ts";
import type { RowPlan } from "../kinds/plan.ts";
import { type Branch, OP, type Step, treeOf, type WantedCondition } from "./tree.ts";

/** How the value of a field is written, as far as the reader must know. */
export const FORM = {
  /** Varint, or bytes that are the value itself. */
  plain: 0,
  /** {1: text}: quantities, and bytes of JSON. */
  wrapped: 1,
  /** Raw bytes, shown as base64. */
  base64: 2,
  /** {1: seconds, 2: nanoseconds}. */
  time: 3,
  /** Fixed 64-bit float. */
  double: 4,
} as const;

/** A step for one field number. */
export interface ProtobufStep {
  readonly op: number;
  readonly at: number;
  readonly form: number;
  readonly varint: boolean;
  readonly field: string;
  readonly values: readonly Uint8Array[];
  readonly conditions: readonly WantedCondition[];
  /** Field numbers of `type` and `status` in a condition. */
  readonly typeNumber: number;
  readonly statusNumber: number;
  readonly node: ProtobufNode | undefined;
  readonly words: number;
  /** Another step for the same number. */
  next: ProtobufStep | undefined;
}

/** Steps of one message, indexed by field number; unwanted numbers are undefined or beyond the end. */
export interface ProtobufNode {
  readonly byNumber: (ProtobufStep | undefined)[];
  readonly absentInts: readonly number[];
}

/** True when the kind's protobuf layout is known. */
export function hasProtobuf(plan: RowPlan): boolean {
  // What is owned is told by managedFields, which name fields as JSON does.
  return (
    plan.builtIn &&
    messageOfKind(plan.apiVersion, plan.kind) !== undefined &&
    !plan.cells.some((cell) => cell.type === "owned")
  );
}

/** Trees by plan: a reflector makes a reader for every page and every reconnect. They never change. */
const compiled = new WeakMap<RowPlan, ProtobufNode>();

/** Compiles a plan for protobuf, once. Throws KIND_UNKNOWN_PATH, KIND_BAD_FIELD, KIND_NO_PROTOBUF. */
export function compileProtobuf(plan: RowPlan): ProtobufNode {
  const known = compiled.get(plan);
  if (known !== undefined) {
    return known;
  }
  const message = messageOfKind(plan.apiVersion, plan.kind);
  if (message === undefined) {
    throw new FairleadError(
      "KIND_NO_PROTOBUF",
      `${plan.apiVersion} ${plan.kind} has no known protobuf layout; read it as JSON`,
    );
  }
  try {
    const node = nodeOf(treeOf(plan), message, plan, false);
    compiled.set(plan, node);
    return node;
  } finally {
    forgetMessages();
  }
}

/** `inList`: the message is an element of a list that is not kept, so that its values can only be added up. */
function nodeOf(branch: Branch, message: Message, plan: RowPlan, inList: boolean): ProtobufNode {
  const node: ProtobufNode = { byNumber: [], absentInts: branch.absentInts };
  for (const step of branch.steps) {
    const way = wayTo(step.key, message);
    if (way === undefined) {
      throw new FairleadError(
        "KIND_UNKNOWN_PATH",
        `field "${step.field}" of "${plan.name}": ${message.name} has no "${step.key}"`,
        { facts: { kind: plan.name, field: step.field } },
      );
    }
    let home = node;
    for (const inline of way.slice(0, -1)) {
      home = enter(home, inline.number);
    }
    const field = way[way.length - 1];
    if (inList && step.op !== OP.sum && step.op !== OP.count && step.op !== OP.enter) {
      throw badField(step, plan, "is inside a list");
    }
    addStep(home, field.number, compileStep(step, field, plan, inList));
  }
  return fill(node);
}

/** Field numbers are looked up in an array without holes. */
function fill(node: ProtobufNode): ProtobufNode {
  for (let i = 0; i < node.byNumber.length; i++) {
    node.byNumber[i] ??= undefined;
  }
  return node;
}

/** The field of that JSON name, with the inline fields that lead to it. */
function wayTo(key: string, message: Message): MessageField[] | undefined {
  for (const field of message.fields) {
    if (field.json === key && !field.inline) {
      return [field];
    }
    const inner = field.inline ? messageOf(field.message ?? "") : undefined;
    const way = inner && wayTo(key, inner);
    if (way) {
      return [field, ...way];
    }
  }
  return undefined;
}

function enter(home: ProtobufNode, number: number): ProtobufNode {
  for (let found = home.byNumber[number]; found; found = found.next) {
    if (found.op === OP.enter && found.node) {
      return found.node;
    }
  }
  const node: ProtobufNode = { byNumber: [], absentInts: [] };
  addStep(home, number, { ...EMPTY, op: OP.enter, node });
  return node;
}

function addStep(home: ProtobufNode, number: number, step: ProtobufStep): void {
  step.next = home.byNumber[number];
  home.byNumber[number] = step;
}

const EMPTY: ProtobufStep = {
  op: 0,
  at: 0,
  form: FORM.plain,
  varint: false,
  field: "",
  values: [],
  conditions: [],
  typeNumber: 0,
  statusNumber: 0,
  node: undefined,
  words: 0,
  next: undefined,
};

function compileStep(step: Step, field: MessageField, plan: RowPlan, inList: boolean): ProtobufStep {
  check(step, field, plan);
  const inner = field.message === undefined ? undefined : messageOf(field.message);
  const condition = step.op === OP.condition;
  return {
    ...EMPTY,
    op: step.op,
    at: step.at,
    form: formOf(field.type),
    varint: VARINTS.has(field.type) && step.op !== OP.count,
    field: step.field,
    values: step.values,
    conditions: step.conditions,
    typeNumber: condition && inner ? (wayTo("type", inner)?.[0].number ?? 0) : 0,
    statusNumber: condition && inner ? (wayTo("status", inner)?.[0].number ?? 0) : 0,
    node:
      step.branch && inner
        ? nodeOf(step.branch, inner, plan, step.op === OP.enter && (inList || field.repeated))
        : undefined,
    words: step.words,
  };
}

const VARINTS: ReadonlySet<WireType> = new Set(["bool", "int32", "int64"]);

function formOf(type: WireType): number {
  switch (type) {
    case "quantity":
    case "fieldsV1":
    case "json":
    case "rawExtension":
      return FORM.wrapped;
    case "bytes":
      return FORM.base64;
    case "time":
    case "microTime":
      return FORM.time;
    case "double":
      return FORM.double;
    default:
      return FORM.plain;
  }
}

const STRINGS: readonly WireType[] = ["string", "quantity", "bytes"];
const INTS: readonly WireType[] = ["int32", "int64"];
const TIMES: readonly WireType[] = ["time", "microTime"];

/** What each cell type can be read from. */
const SOURCES: Readonly<Record<number, readonly WireType[]>> = {
  [OP.text]: [...STRINGS, "json", "rawExtension", "fieldsV1"],
  [OP.name]: STRINGS,
  [OP.enum]: STRINGS,
  [OP.int]: INTS,
  [OP.optionalInt]: INTS,
  [OP.long]: [...INTS, "double"],
  [OP.bool]: ["bool"],
  [OP.optionalBool]: ["bool"],
  [OP.ip]: STRINGS,
  [OP.time]: TIMES,
  [OP.microTime]: TIMES,
  [OP.intOrText]: ["intOrString"],
  [OP.names]: STRINGS,
  [OP.texts]: STRINGS,
  [OP.nameMap]: STRINGS,
  [OP.textMap]: STRINGS,
  [OP.sum]: INTS,
  [OP.uid]: STRINGS,
  [OP.version]: STRINGS,
  [OP.records]: ["message"],
  [OP.enter]: ["message"],
  [OP.condition]: ["message"],
};

/** A field that would read differently from protobuf than from JSON is a mistake in its table. */
function check(step: Step, field: MessageField, plan: RowPlan): void {
  const sources = SOURCES[step.op];
  const isMap = step.op === OP.nameMap || step.op === OP.textMap;
  const isList = step.op === OP.names || step.op === OP.texts || step.op === OP.records || step.op === OP.condition;
  const mayRepeat = isList || step.op === OP.count || step.op === OP.enter;
  const needsPointer = step.op === OP.optionalInt || step.op === OP.optionalBool;
  if (
    (sources && !sources.includes(field.type)) ||
    isMap !== field.map ||
    (isList && !field.repeated) ||
    (field.repeated && !mayRepeat) ||
    (needsPointer && !field.pointer)
  ) {
    const what = field.pointer ? "an optional" : field.repeated ? "a list of" : field.map ? "a map of" : "a";
    throw badField(step, plan, `is ${what} ${field.type}`);
  }
}

function badField(step: Step, plan: RowPlan, why: string): FairleadError {
  return new FairleadError(
    "KIND_BAD_FIELD",
    `field "${step.field}" of "${plan.name}": "${step.key}" ${why} and cannot be read that way`,
    { facts: { kind: plan.name, field: step.field } },
  );
}
