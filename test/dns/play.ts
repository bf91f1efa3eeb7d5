import type { Case } from "./cases.ts";
import { type DnsAddress, send } from "./client.ts";
import { differences, judgedReply } from "./judge.ts";
import { encodeQuery } from "./message.ts";

/** Plays one case against a server and gives what is wrong with the reply. */
export async function play(one: Case, server: DnsAddress, whose: "ours" | "coredns"): Promise<readonly string[]> {
  const sent = bytesOf(one);
  const tcp = one.tcp !== undefined || one.opts?.tcp !== undefined;
  const quiet = one.coredns.reply === false;
  const reply = await send(server, sent, { tcp, raw: one.rawtcp !== undefined, quiet });
  return differences(one, judgedReply(one, sent, reply), whose);
}

/** Plays cases one after the other; gives those that went wrong, by id. */
export async function playAll(
  cases: readonly Case[],
  server: DnsAddress,
  whose: "ours" | "coredns",
): Promise<Readonly<Record<string, readonly string[]>>> {
  const wrong: Record<string, readonly string[]> = {};
  for (const one of cases) {
    const found = await play(one, server, whose).catch((error: unknown) => [String(error)]);
    if (found.length > 0) {
      wrong[one.id] = found;
    }
  }
  return wrong;
}

function bytesOf(one: Case): Uint8Array {
  if (one.hex !== undefined) {
    return Buffer.from(one.hex, "hex");
  }
  const { q = "", type = "A", opts = {} } = one;
  const edns = opts.edns === undefined ? undefined : { size: opts.edns.size, do: opts.edns.do === 1 };
  return encodeQuery({ name: q, type, edns, flags: opts.flags });
}
