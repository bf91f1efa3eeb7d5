import { FairleadError } from "../core/errors.ts";
import { type Place, parseListen } from "../plugins/dns/address.ts";
import { type CommandContext, type ParsedOptions, textOption } from "./command.ts";
import { configPath } from "./config-path.ts";
import { loadConfig } from "./file/load.ts";

const DEFAULT_PLACE: Place = { address: "127.0.0.1", port: 5353 };
const DNS_PORT = 53;

/** Options that only one of the two heeds. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  lookup: ["timeout"],
  bench: ["names", "for", "rate", "clients", "outstanding"],
};

/** `fairlead dns`: asks a DNS server one question, or as many as it can answer. */
export async function dns(parsed: ParsedOptions, context: CommandContext): Promise<number> {
  const [word] = parsed.arguments;
  const other = word === "lookup" ? "bench" : "lookup";
  const unused = ONLY[other].find((option) => parsed.values[option] !== undefined);
  if (unused !== undefined) {
    throw new FairleadError("CLI_BAD_ARGUMENT", `"dns ${word}" takes no --${unused}`);
  }
  const place = await serverPlace(parsed);
  if (word === "lookup") {
    return await (await import("./dns-lookup.ts")).lookup(parsed, context, place);
  }
  return await (await import("./dns-bench.ts")).bench(parsed, context, place);
}

/** The server that is asked: the one that was named, that of a configuration, or the plugin's default on this machine. */
async function serverPlace(parsed: ParsedOptions): Promise<Place> {
  const text = textOption(parsed, "server");
  if (text !== undefined) {
    const place = parseListen(text, DNS_PORT);
    if (place === undefined || place.port === 0) {
      throw new FairleadError(
        "CLI_BAD_VALUE",
        `--server "${text}" is no address; write it like 192.0.2.53, 127.0.0.1:5353 or [::1]:5353`,
      );
    }
    return reachable(place);
  }
  return textOption(parsed, "config") === undefined ? DEFAULT_PLACE : await configuredPlace(configPath(parsed));
}

async function configuredPlace(path: string): Promise<Place> {
  const { plugins } = await loadConfig(path);
  const entry = plugins.find(({ declaration, enabled }) => enabled && declaration?.name === "dns")?.entry;
  if (entry === undefined) {
    throw new FairleadError("CLI_BAD_VALUE", `${path} has no plugin "dns" that is enabled; name a --server`);
  }
  // With zod, which nothing else of this command needs.
  const { DnsOptions } = await import("../plugins/dns/options.ts");
  const [place] = DnsOptions.parse(entry.options ?? {}).listen;
  return reachable(place);
}

/** Who answers on all addresses is asked on this machine's own. */
function reachable({ address, port }: Place): Place {
  return { address: address === "0.0.0.0" ? "127.0.0.1" : address === "::" ? "::1" : address, port };
}
