import { BlockList } from "node:net";
import { parseCidr, unmapped } from "./address.ts";
import type { AclOptions } from "./settings.ts";

/** What an address may do: bits of what `Acl.of` gives. */
export const MAY_ASK = 1;
export const MAY_RECURSE = 2;

/** Addresses that no stranger has: who asks from there may have other names resolved. */
const PRIVATE: readonly string[] = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "169.254.0.0/16",
  "::1",
  "fc00::/7",
  "fe80::/10",
];

/** Addresses whose verdict is remembered. */
const MOST_REMEMBERED = 8192;

/** Who may ask, by address. A verdict is worked out once for each address and then looked up. */
export class Acl {
  readonly #allow: BlockList | undefined;
  readonly #deny: BlockList;
  readonly #recursion: BlockList;
  #verdicts = new Map<string, number>();

  constructor({ allow, deny, recursion = PRIVATE }: AclOptions) {
    this.#allow = allow === undefined ? undefined : listOf(allow);
    this.#deny = listOf(deny);
    this.#recursion = listOf(recursion);
  }

  /** MAY_ASK, MAY_RECURSE, both or 0. */
  of(address: string): number {
    const known = this.#verdicts.get(address);
    if (known !== undefined) {
      return known;
    }
    const verdict = this.#judge(address);
    if (this.#verdicts.size >= MOST_REMEMBERED) {
      this.#verdicts = new Map();
    }
    this.#verdicts.set(address, verdict);
    return verdict;
  }

  #judge(address: string): number {
    // A link-local address carries the name of its interface.
    const plain = unmapped(address).split("%", 1)[0];
    const family = plain.includes(":") ? "ipv6" : "ipv4";
    if (this.#deny.check(plain, family) || this.#allow?.check(plain, family) === false) {
      return 0;
    }
    return this.#recursion.check(plain, family) ? MAY_ASK | MAY_RECURSE : MAY_ASK;
  }
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const cidr = parseCidr(network);
    if (cidr !== undefined) {
      list.addSubnet(cidr.address, cidr.prefix, cidr.family);
    }
  }
  return list;
}
