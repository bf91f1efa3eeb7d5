import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { createAuthority, issue } from "./certificates.ts";

const authority = { name: "authority", ...createAuthority("authority") };

test("a certificate is signed by its authority and by no other", () => {
  const pair = issue(authority, { name: "someone" });
  const certificate = new X509Certificate(pair.certPem);
  assert.ok(certificate.checkIssued(new X509Certificate(authority.certPem)));
  assert.ok(certificate.verify(createPublicKey(authority.keyPem)));
  assert.equal(certificate.verify(createPublicKey(createAuthority("authority").keyPem)), false);
  assert.ok(certificate.checkPrivateKey(createPrivateKey(pair.keyPem)));
  assert.deepEqual([certificate.ca, new X509Certificate(authority.certPem).ca], [false, true]);
});

test("names, groups and hosts are where servers and clients look for them", () => {
  const certificate = new X509Certificate(
    issue(authority, { name: "eve", groups: ["one", "two"], hosts: ["localhost", "127.0.0.1"] }).certPem,
  );
  assert.equal(certificate.subject, "O=one\nO=two\nCN=eve");
  assert.equal(certificate.subjectAltName, "DNS:localhost, IP Address:127.0.0.1");
});

test("the time it is good for is the time that was asked for, beyond 2049 too", () => {
  const [notBefore, notAfter] = [new Date("2025-02-03T04:05:06Z"), new Date("2051-02-03T04:05:06Z")];
  const certificate = new X509Certificate(issue(authority, { name: "eve", notBefore, notAfter }).certPem);
  assert.deepEqual([certificate.validFromDate, certificate.validToDate], [notBefore, notAfter]);
});
