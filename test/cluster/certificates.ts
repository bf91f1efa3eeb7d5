import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import { bitString, integer, objectId, octetString, sequence, setOf, tagged, time, utf8String, yes } from "./der.ts";

/** A certificate and its key, both PEM. */
export interface KeyPair {
  readonly certPem: string;
  readonly keyPem: string;
}

/** What a certificate says. */
export interface CertificateSubject {
  /** Common name: the user name that the API server sees. */
  readonly name: string;
  /** Organizations: the groups of that user. */
  readonly groups?: readonly string[];
  /** DNS names and IPv4 addresses of a server. */
  readonly hosts?: readonly string[];
  /** Default: an hour ago. */
  readonly notBefore?: Date;
  /** Default: in ten years. */
  readonly notAfter?: Date;
}

const HOUR_MS = 3_600_000;
const TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS;
const ECDSA_WITH_SHA256 = sequence(objectId("1.2.840.10045.4.3.2"));
const COMMON_NAME = "2.5.4.3";
const ORGANIZATION = "2.5.4.10";

/** An own certificate authority that signs itself. Made with node:crypto alone: no program is needed. */
export function createAuthority(name: string): KeyPair {
  const { keyPem, key } = createKey();
  const extensions = [
    extension("2.5.29.19", sequence(yes()), true),
    extension("2.5.29.15", bitString(Buffer.from([0x06]), 1), true),
    subjectKeyId(key),
  ];
  return { certPem: certificate({ name }, { name, key }, key, extensions), keyPem };
}

/** A certificate that `authority` signs, good for servers (with `hosts`) and for clients. */
export function issue(authority: KeyPair & { readonly name: string }, subject: CertificateSubject): KeyPair {
  const { keyPem, key } = createKey();
  const issuerKey = createPrivateKey(authority.keyPem);
  const usages = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"].map(objectId);
  const extensions = [
    extension("2.5.29.15", bitString(Buffer.from([0xa0]), 5), true),
    extension("2.5.29.37", sequence(...usages), false),
    subjectKeyId(key),
    extension("2.5.29.35", sequence(tagged(0, keyId(issuerKey), false)), false),
  ];
  if (subject.hosts !== undefined && subject.hosts.length > 0) {
    extensions.push(extension("2.5.29.17", sequence(...subject.hosts.map(alternativeName)), false));
  }
  return { certPem: certificate(subject, { name: authority.name, key: issuerKey }, key, extensions), keyPem };
}

/** A key pair for signing service-account tokens. */
export function createSigningKey(): { readonly privatePem: string; readonly publicPem: string } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privatePem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    publicPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

function createKey(): { readonly keyPem: string; readonly key: KeyObject } {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { keyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), key: privateKey };
}

function certificate(
  subject: CertificateSubject,
  issuer: { readonly name: string; readonly key: KeyObject },
  subjectKey: KeyObject,
  extensions: readonly Buffer[],
): string {
  const now = Date.now();
  const serial = randomBytes(16);
  serial[0] = (serial[0] & 0x3f) | 0x40;
  const body = sequence(
    tagged(0, integer(Buffer.from([2])), true),
    integer(serial),
    ECDSA_WITH_SHA256,
    distinguishedName(issuer.name, []),
    sequence(
      time(subject.notBefore ?? new Date(now - HOUR_MS)),
      time(subject.notAfter ?? new Date(now + TEN_YEARS_MS)),
    ),
    distinguishedName(subject.name, subject.groups ?? []),
    publicKeyInfo(subjectKey),
    tagged(3, sequence(...extensions), true),
  );
  const signed = sequence(body, ECDSA_WITH_SHA256, bitString(sign("sha256", body, issuer.key)));
  const lines = signed.toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function distinguishedName(name: string, groups: readonly string[]): Buffer {
  const part = (id: string, text: string): Buffer => setOf(sequence(objectId(id), utf8String(text)));
  return sequence(...groups.map((group) => part(ORGANIZATION, group)), part(COMMON_NAME, name));
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  const mark = critical ? [yes()] : [];
  return sequence(objectId(id), ...mark, octetString(value));
}

function alternativeName(host: string): Buffer {
  return isIPv4(host)
    ? tagged(7, Buffer.from(host.split(".").map(Number)), false)
    : tagged(2, Buffer.from(host, "ascii"), false);
}

function subjectKeyId(key: KeyObject): Buffer {
  return extension("2.5.29.14", octetString(keyId(key)), false);
}

function keyId(key: KeyObject): Buffer {
  return createHash("sha1").update(publicKeyInfo(key)).digest();
}

function publicKeyInfo(privateKey: KeyObject): Buffer {
  const jwk = privateKey.export({ format: "jwk" });
  const point = Buffer.concat([
    Buffer.from([4]),
    Buffer.from(jwk.x ?? "", "base64url"),
    Buffer.from(jwk.y ?? "", "base64url"),
  ]);
  const algorithm = sequence(objectId("1.2.840.10045.2.1"), objectId("1.2.840.10045.3.1.7"));
  return sequence(algorithm, bitString(point));
}
