import { at, copy, ensureObject, isObject, type Json, type JsonObject, type StoredObject } from "./object.ts";
import { jsonPatch } from "./patch-json.ts";
import { mergePatch } from "./patch-merge.ts";
import { deleteObject } from "./remove.ts";
import type { Target } from "./request.ts";
import { matchesSelector } from "./selectors.ts";
import { badRequest, failure, notImplemented, Refusal } from "./status.ts";
import type { World } from "./world.ts";
import { replace, stored, type WriteOptions } from "./write.ts";

/** The Scale of an object. */
export function readScale(world: World, target: Target): JsonObject {
  return scaleOf(world, target, stored(world, target));
}

function scaleOf(world: World, target: Target, object: StoredObject): JsonObject {
  if (target.resource.custom) {
    return customScale(world, target, object);
  }
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: scaleSpec(at(object, "spec", "replicas")),
    status: { replicas: at(object, "status", "replicas") ?? 0, selector: selectorText(at(object, "spec", "selector")) },
  };
}

function scaleSpec(replicas: Json | undefined): JsonObject {
  return replicas === undefined || replicas === 0 ? {} : { replicas };
}

function customScale(world: World, target: Target, object: StoredObject): JsonObject {
  const definition = world.storage.get(
    "apiextensions.k8s.io/customresourcedefinitions",
    `${target.resource.plural}.${target.resource.group}`,
  );
  const versions = at(definition, "spec", "versions");
  const version = Array.isArray(versions)
    ? versions.find((one) => at(one, "name") === target.resource.version)
    : undefined;
  const read = (field: string) => {
    const path = at(version, "subresources", "scale", field);
    return typeof path === "string" ? at(object, ...path.slice(1).split(".")) : undefined;
  };
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = read("labelSelectorPath");
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: scaleSpec(read("specReplicasPath")),
    status: { replicas: read("statusReplicasPath") ?? 0, ...(selector === undefined ? {} : { selector }) },
  };
}

function selectorText(selector: Json | undefined): string {
  if (at(selector, "matchExpressions") !== undefined) {
    throw notImplemented("the scale of an object whose selector has expressions");
  }
  const labels = at(selector, "matchLabels");
  return Object.entries(isObject(labels) ? labels : {})
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(",");
}

/** Sets the replicas of an object through its Scale. */
export function writeScale(
  world: World,
  target: Target,
  request: { readonly body: Json; readonly patchType: string | undefined; readonly options: WriteOptions },
): JsonObject {
  if (target.resource.custom) {
    throw notImplemented("writing the scale of a custom resource");
  }
  const before = stored(world, target);
  const scale = changedScale(scaleOf(world, target, before), request);
  const replicas = at(scale, "spec", "replicas") ?? 0;
  if (typeof replicas !== "number" || replicas < 0) {
    throw badRequest("spec.replicas of a Scale must be a number of 0 or more");
  }
  const input = copy<JsonObject>(before);
  ensureObject(input, "spec").replicas = replicas;
  const wanted = at(scale, "metadata", "resourceVersion");
  ensureObject(input, "metadata").resourceVersion = wanted ?? before.metadata.resourceVersion;
  const owner = { ...request.options.owner, subresource: "scale" };
  return scaleOf(
    world,
    target,
    replace(world, { ...target, subresource: undefined }, before, input, { ...request.options, owner }),
  );
}

function changedScale(
  scale: JsonObject,
  request: { readonly body: Json; readonly patchType: string | undefined },
): Json {
  switch (request.patchType) {
    case undefined:
      return request.body;
    case "application/merge-patch+json":
    case "application/strategic-merge-patch+json":
      return mergePatch(scale, request.body);
    case "application/json-patch+json":
      return jsonPatch(scale, request.body);
    default:
      throw notImplemented(`patches of type ${request.patchType} of a Scale`);
  }
}

/** Evicts a pod unless a disruption budget forbids it. */
export function evict(world: World, target: Target, body: JsonObject, dryRun: boolean): JsonObject {
  const pod = stored(world, target);
  const budgets = world.storage
    .list("policy/poddisruptionbudgets")
    .filter(
      (one) =>
        one.metadata.namespace === target.namespace &&
        matchesSelector(at(one, "spec", "selector"), pod.metadata.labels ?? {}),
    );
  for (const budget of budgets) {
    const allowed = at(budget, "status", "disruptionsAllowed");
    if (typeof allowed !== "number" || allowed <= 0) {
      throw new Refusal(
        failure(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
          causes: [
            {
              reason: "DisruptionBudget",
              message: `The disruption budget ${budget.metadata.name} does not allow evictions now`,
            },
          ],
        }),
      );
    }
    const status = { ...(isObject(budget.status) ? budget.status : {}), disruptionsAllowed: allowed - 1 };
    if (!dryRun) {
      const key = `${budget.metadata.namespace}/${budget.metadata.name}`;
      world.storage.put("policy/poddisruptionbudgets", key, { ...budget, metadata: { ...budget.metadata }, status });
    }
  }
  deleteObject(world, target, isObject(body.deleteOptions) ? body.deleteOptions : {}, dryRun);
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
}
