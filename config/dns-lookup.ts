import type { Answer } from "dns-packet";
import { FairleadError } from "../core/errors.ts";
import { didYouMean } from "../core/nearest.ts";
import { type Place, showPlace } from "../plugins/dns/address.ts";
import { type CommandContext, EXIT, type ParsedOptions, textOption } from "./command.ts";
import {
  type AskedType,
  askTcp,
  askUdp,
  type DnsReply,
  encodeQuestion,
  isName,
  reverseName,
  TYPES,
  typeNamed,
} from "./dns-exchange.ts";
import { parseDuration } from "./duration.ts";
import { textTable } from "./text-table.ts";

const DEFAULT_TIMEOUT_MS = 5000;

/** A record as it is shown. */
interface ShownRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly data: string;
}

/** `fairlead dns lookup NAME [TYPE]`: exit code 1 where the answer says no. */
export async function lookup(parsed: ParsedOptions, context: CommandContext, place: Place): Promise<number> {
  const asked = readQuestion(parsed.arguments.slice(1));
  const timeout = textOption(parsed, "timeout");
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : parseDuration(timeout);
  const query = encodeQuestion(asked);
  const startedAt = performance.now();
  let overTcp = parsed.values.tcp === true;
  let reply = await (overTcp ? askTcp : askUdp)(query, place, timeoutMs);
  if (reply.flag_tc && !overTcp) {
    overTcp = true;
    reply = await askTcp(query, place, timeoutMs);
  }
  const ms = Math.round((performance.now() - startedAt) * 1000) / 1000;
  const told = { ...asked, server: showPlace(place), proto: overTcp ? "tcp" : "udp", rcode: reply.rcode, ms };
  const lists = {
    answers: recordsOf(reply.answers),
    authorities: recordsOf(reply.authorities),
    additionals: recordsOf(reply.additionals),
  };
  if (textOption(parsed, "output") === "json") {
    const flags = { authoritative: reply.flag_aa, recursionAvailable: reply.flag_ra, truncated: reply.flag_tc };
    context.out.write(`${JSON.stringify({ ...told, ...flags, ...lists })}\n`);
  } else {
    context.out.write(lookupText(told, reply, lists));
  }
  return reply.rcode === "NOERROR" ? EXIT.ok : EXIT.failed;
}

function readQuestion([given, type]: readonly string[]): { readonly name: string; readonly type: AskedType } {
  if (given === undefined) {
    throw new FairleadError("CLI_BAD_ARGUMENT", '"dns lookup" wants a name: fairlead dns lookup NAME [TYPE]');
  }
  const name = reverseName(given);
  const known = typeNamed(type ?? (name === given ? "A" : "PTR"));
  if (known === undefined && type !== undefined) {
    throw new FairleadError(
      "CLI_BAD_ARGUMENT",
      `"${type}" is no type that can be asked${didYouMean(type.toUpperCase(), TYPES) || `; known are ${TYPES.join(", ")}`}`,
    );
  }
  if (!isName(name)) {
    throw new FairleadError("CLI_BAD_ARGUMENT", `"${given}" is no domain name`);
  }
  return { name, type: known ?? "A" };
}

function recordsOf(records: readonly Answer[] = []): ShownRecord[] {
  return records.flatMap((record) =>
    record.type === "OPT"
      ? []
      : [{ name: record.name, type: record.type, ttl: record.ttl ?? 0, data: dataText(record.data) }],
  );
}

/** Data of a record in one line, in the order of its text form. */
function dataText(data: unknown): string {
  if (typeof data === "string") {
    return data;
  }
  if (Buffer.isBuffer(data)) {
    return data.toString("latin1");
  }
  if (Array.isArray(data)) {
    return data.map(dataText).join(" ");
  }
  if (typeof data === "object" && data !== null) {
    const fields: Readonly<Record<string, unknown>> = { ...data };
    return "target" in fields
      ? [fields.priority, fields.weight, fields.port, fields.target].join(" ")
      : Object.values(fields).map(String).join(" ");
  }
  return String(data);
}

function lookupText(
  told: Readonly<Record<"name" | "type" | "server" | "proto" | "rcode", string>> & { readonly ms: number },
  reply: DnsReply,
  lists: Readonly<Record<string, readonly ShownRecord[]>>,
): string {
  const flags = [reply.flag_aa ? "authoritative" : "", reply.flag_tc ? "truncated" : ""].filter((flag) => flag !== "");
  const head = [told.rcode, ...flags, `${told.ms} ms`, `${told.server} over ${told.proto}`].join(", ");
  const rows = Object.entries(lists).flatMap(([list, records]) =>
    records.map(({ name, type, ttl, data }) => [list.replace(/s$/, ""), name, type, String(ttl), data]),
  );
  const table = rows.length === 0 ? "" : textTable(["section", "name", "type", "ttl", "data"], rows, ["ttl"]);
  return `${head}\n${table}`.replaceAll("authoritie ", "authority ");
}
