import { enumOf, name, nameMap, names, records, text, time } from "./field.ts";

/** Fields of the conditions that most kinds report. */
export const CONDITION = {
  type: name("type"),
  status: enumOf("status", "True", "False", "Unknown"),
  reason: name("reason"),
  message: text("message"),
  lastTransitionTime: time("lastTransitionTime"),
};

/** Containers of a pod template. */
export const TEMPLATE_CONTAINER = {
  name: name("name"),
  image: name("image"),
  requests: nameMap("resources.requests"),
  limits: nameMap("resources.limits"),
};

/** Set-based part of a label selector. */
const MATCH_EXPRESSION = {
  key: name("key"),
  operator: enumOf("operator", "In", "NotIn", "Exists", "DoesNotExist"),
  values: names("values"),
};

/** `spec.selector` of a workload, and its pod template under `spec.template`. */
export const WORKLOAD = {
  matchLabels: nameMap("spec.selector.matchLabels"),
  matchExpressions: records("spec.selector.matchExpressions", MATCH_EXPRESSION),
  templateLabels: nameMap("spec.template.metadata.labels"),
  templateContainers: records("spec.template.spec.containers", TEMPLATE_CONTAINER),
  templateInitContainers: records("spec.template.spec.initContainers", TEMPLATE_CONTAINER),
  templateServiceAccountName: name("spec.template.spec.serviceAccountName"),
};
