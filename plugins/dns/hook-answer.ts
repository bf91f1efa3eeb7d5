import { isIP } from "node:net";
import type { DnsHookRecord, DnsQueryAnswer } from "./hook-messages.ts";

const TYPES: readonly string[] = ["A", "AAAA", "CNAME", "TXT", "PTR", "SRV", "MX", "NS"];
/** Records of one answer that are taken. */
const MOST_RECORDS = 500;

/** Reads what a tap answered. Gives what is wrong with it as a text, else the answer as plain data. */
export function readHookAnswer(given: unknown): DnsQueryAnswer | string {
  if (given === undefined || given === null) {
    return undefined;
  }
  if (!isRecord(given)) {
    return "the answer is no object";
  }
  if ("veto" in given) {
    const { veto } = given;
    return veto === "NXDOMAIN" || veto === "REFUSED" ? { veto } : 'veto is "NXDOMAIN" or "REFUSED"';
  }
  const { records } = given;
  if (!Array.isArray(records) || records.length > MOST_RECORDS) {
    return `records is a list of at most ${MOST_RECORDS}`;
  }
  const read = records.map(readRecord);
  const wrong = read.find((one) => typeof one === "string");
  return typeof wrong === "string" ? wrong : { records: read as DnsHookRecord[] }; // texts were found above
}

function readRecord(given: unknown): DnsHookRecord | string {
  if (!isRecord(given)) {
    return "a record is an object";
  }
  const { name, type, ttl, data } = given;
  if (typeof type !== "string" || !TYPES.includes(type)) {
    return `type of a record is one of ${TYPES.join(", ")}`;
  }
  if ((name !== undefined && typeof name !== "string") || (ttl !== undefined && typeof ttl !== "number")) {
    return "name of a record is a text, ttl a number";
  }
  if (typeof data !== "string" && !isRecord(data)) {
    return "data of a record is a text, or an object for SRV and MX";
  }
  if ((type === "A" && isIP(String(data)) !== 4) || (type === "AAAA" && isIP(String(data)) !== 6)) {
    return `data of an ${type} record is an ${type === "A" ? "IPv4" : "IPv6"} address`;
  }
  // Checked as far as the encoder, which knows the rest, does not do it.
  return { name, type, ttl, data } as DnsHookRecord;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
