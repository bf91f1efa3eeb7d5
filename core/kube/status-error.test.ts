import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { errorFromStatus, missingRule } from "./status-error.ts";

const request = { method: "GET", path: "/api/v1/pods?continue=secret" };

describe("code by reason, else by status", () => {
  const cases: readonly (readonly [status: number, reason: string | undefined, code: string])[] = [
    [404, "NotFound", "KUBE_NOT_FOUND"],
    [404, undefined, "KUBE_NOT_FOUND"],
    [409, "AlreadyExists", "KUBE_ALREADY_EXISTS"],
    [409, "Conflict", "KUBE_CONFLICT"],
    [409, undefined, "KUBE_CONFLICT"],
    [410, "Expired", "KUBE_EXPIRED"],
    [410, "Gone", "KUBE_GONE"],
    [410, undefined, "KUBE_GONE"],
    [403, "Forbidden", "KUBE_FORBIDDEN"],
    [401, "Unauthorized", "KUBE_UNAUTHORIZED"],
    [422, "Invalid", "KUBE_INVALID"],
    [400, "BadRequest", "KUBE_INVALID"],
    [413, undefined, "KUBE_INVALID"],
    [429, undefined, "KUBE_TOO_MANY_REQUESTS"],
    [504, "Timeout", "KUBE_TIMEOUT"],
    [500, "ServerTimeout", "KUBE_TIMEOUT"],
    [500, "InternalError", "KUBE_INTERNAL"],
    [599, undefined, "KUBE_INTERNAL"],
    [502, undefined, "KUBE_UNAVAILABLE"],
    [503, "ServiceUnavailable", "KUBE_UNAVAILABLE"],
    [405, "MethodNotAllowed", "KUBE_METHOD_NOT_ALLOWED"],
    [406, "NotAcceptable", "KUBE_NOT_ACCEPTABLE"],
    [415, "UnsupportedMediaType", "KUBE_UNSUPPORTED_MEDIA_TYPE"],
    [302, undefined, "KUBE_BAD_RESPONSE"],
    [418, "Teapot", "KUBE_BAD_RESPONSE"],
  ];
  for (const [status, reason, code] of cases) {
    test(`${status} ${reason ?? "without reason"} is ${code}`, () => {
      const error = errorFromStatus(status, reason === undefined ? undefined : { reason }, request);
      assert.equal(error.code, code);
      assert.deepEqual([error.facts.status, error.facts.reason, error.facts.path], [status, reason, "/api/v1/pods"]);
      assert.doesNotMatch(error.message, /secret/);
    });
  }
});

describe("a missing permission becomes a rule to paste", () => {
  const cases = [
    [
      `pods is forbidden: User "system:serviceaccount:shop:web" cannot list resource "pods" in API group "" at the cluster scope`,
      "a ClusterRole of system:serviceaccount:shop:web",
      `- {apiGroups: [""], resources: ["pods"], verbs: ["list"]}`,
    ],
    [
      `deployments.apps "web" is forbidden: User "jane" cannot patch resource "deployments/status" in API group "apps" in the namespace "shop"`,
      "a Role of jane in namespace shop",
      `- {apiGroups: ["apps"], resources: ["deployments/status"], verbs: ["patch"]}`,
    ],
    [
      `forbidden: User "jane" cannot get path "/metrics"`,
      "a ClusterRole of jane",
      `- {nonResourceURLs: ["/metrics"], verbs: ["get"]}`,
    ],
  ] as const;
  for (const [message, role, rule] of cases) {
    test(rule, () => {
      assert.deepEqual(missingRule(message), { role, rule });
      const error = errorFromStatus(403, { reason: "Forbidden", message }, request);
      assert.ok(error.message.endsWith(`add to ${role}: ${rule}`));
      assert.equal(error.facts.rule, rule);
    });
  }

  test("other refusals (quota, admission) have none", () => {
    assert.equal(missingRule(`pods "a" is forbidden: exceeded quota: q`), undefined);
  });
});

test("causes name their fields; junk in place of a Status does no harm", () => {
  const details = {
    causes: [{ reason: "FieldValueRequired", message: "Required value", field: "spec.x" }, { message: "odd" }, 7],
    retryAfterSeconds: 3,
  };
  const error = errorFromStatus(422, { reason: "Invalid", message: "bad", details }, request);
  assert.deepEqual([error.facts.causes, error.facts.retryAfterSeconds], [["spec.x: Required value", "odd", ""], 3]);
  for (const junk of [{ reason: 7 }, { details: "x" }, { message: {}, details: { causes: {} } }]) {
    assert.equal(errorFromStatus(500, junk, request).code, "KUBE_INTERNAL");
  }
});
