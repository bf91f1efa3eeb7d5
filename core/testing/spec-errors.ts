import { nameErrors } from "./names.ts";
import { at, isObject, type Json, type StoredObject, same } from "./object.ts";
import type { Resource } from "./resources.ts";
import { matchesSelector } from "./selectors.ts";
import type { FieldError } from "./status.ts";

/** Checks the most common rules of built-in kinds; rules beyond these are not checked here. */
export function specErrors(
  resource: Resource,
  object: StoredObject,
  before: StoredObject | undefined,
  subresource: string | undefined,
): FieldError[] {
  switch (resource.kind) {
    case "Pod":
      return before === undefined ? podErrors(object.spec, "spec") : podChanges(object, before, subresource);
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
      return workloadErrors(object, before);
    case "ConfigMap":
    case "Secret":
      return immutableErrors(object, before);
    default:
      return [];
  }
}

function required(field: string, why = ""): FieldError {
  return { field, reason: "FieldValueRequired", message: why === "" ? "Required value" : `Required value: ${why}` };
}

function podErrors(spec: Json | undefined, path: string): FieldError[] {
  const containers = at(spec, "containers");
  if (!Array.isArray(containers) || containers.length === 0) {
    return [required(`${path}.containers`)];
  }
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const here = `${path}.containers[${index}]`;
    const name = String(at(container, "name") ?? "");
    if (name === "") {
      errors.push(required(`${here}.name`));
    } else if (names.has(name)) {
      errors.push({ field: `${here}.name`, reason: "FieldValueDuplicate", message: `Duplicate value: "${name}"` });
    } else {
      errors.push(...nameErrors(name, "label", `${here}.name`));
    }
    names.add(name);
    if (!at(container, "image")) {
      errors.push(required(`${here}.image`));
    }
  }
  return errors;
}

/** Of a pod's spec only images, a deadline and tolerations change after its creation. */
function podChanges(object: StoredObject, before: StoredObject, subresource: string | undefined): FieldError[] {
  const frozen = (pod: StoredObject): Json => {
    const {
      activeDeadlineSeconds: _deadline,
      tolerations: _tolerations,
      terminationGracePeriodSeconds: _grace,
      nodeName,
      ...rest
    } = isObject(pod.spec) ? pod.spec : {};
    const containers = (list: Json | undefined) =>
      Array.isArray(list) ? list.map((one) => ({ ...(isObject(one) ? one : {}), image: "" })) : [];
    return {
      ...rest,
      // A pod is bound to a node once.
      nodeName: at(before, "spec", "nodeName") === undefined ? "" : nodeName,
      containers: containers(rest.containers),
      initContainers: containers(rest.initContainers),
      ephemeralContainers: subresource === "ephemeralcontainers" ? [] : (rest.ephemeralContainers ?? []),
    };
  };
  if (same(frozen(object), frozen(before))) {
    return [];
  }
  return [
    {
      field: "spec",
      reason: "FieldValueForbidden",
      message:
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    },
  ];
}

function workloadErrors(object: StoredObject, before: StoredObject | undefined): FieldError[] {
  const selector = at(object, "spec", "selector");
  const labels = at(object, "spec", "template", "metadata", "labels");
  const errors: FieldError[] = [];
  if (selector === undefined || selector === null) {
    errors.push(required("spec.selector"));
  } else if (!matchesSelector(selector, isObject(labels) ? (labels as Record<string, string>) : {})) {
    errors.push({
      field: "spec.template.metadata.labels",
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(labels ?? null)}: \`selector\` does not match template \`labels\``,
    });
  }
  if (before !== undefined && !same(selector, at(before, "spec", "selector"))) {
    errors.push({
      field: "spec.selector",
      reason: "FieldValueInvalid",
      message: `Invalid value: ${JSON.stringify(selector)}: field is immutable`,
    });
  }
  const replicas = at(object, "spec", "replicas");
  if (typeof replicas === "number" && replicas < 0) {
    errors.push({
      field: "spec.replicas",
      reason: "FieldValueInvalid",
      message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
    });
  }
  errors.push(...podErrors(at(object, "spec", "template", "spec"), "spec.template.spec"));
  return errors;
}

function immutableErrors(object: StoredObject, before: StoredObject | undefined): FieldError[] {
  if (before?.immutable !== true || same(object.data, before.data)) {
    return [];
  }
  return [
    { field: "data", reason: "FieldValueForbidden", message: "Forbidden: field is immutable when `immutable` is set" },
  ];
}
