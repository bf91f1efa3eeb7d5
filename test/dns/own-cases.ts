import type { Case, ConfigName, MeasuredReply, OurRule } from "./cases.ts";
import { encodeQuery } from "./message.ts";

/**
 * Cases of the same kind as in cases.jsonl, which holds a part of what the tables of the reference tell: what is expected was
 * read from those tables, and CoreDNS is asked as well.
 */

/** A question, and its answer as "NXDOMAIN", "NODATA" or records separated by "|": "A 10.0.0.1". */
type Row = readonly [id: string, cfg: ConfigName, name: string, type: string, answer: string, more?: More];

interface More {
  readonly ours?: OurRule;
  /** Additional records, as the answer. */
  readonly ar?: string;
  readonly zone?: string;
  readonly edns?: number;
  readonly tcp?: boolean;
  readonly note?: string;
}

const S = "shop.svc.cluster.local";
const WEIGHT: OurRule = { mode: "ignore", want: "weight" };
const COUNT: OurRule = { mode: "ignore", want: "record count and length" };
const reverse6 = (digits: string): string => `${[...digits].reverse().join(".")}.ip6.arpa`;

/** Packets that a client of today does not send. */
type WireRow = readonly [id: string, what: string, packet: Buffer, answer: string, more?: WireMore];

interface WireMore {
  readonly ours?: OurRule;
  readonly flags?: readonly string[];
  readonly opcode?: number;
  readonly edns?: number;
  /** Options that CoreDNS sends back. */
  readonly options?: string;
  readonly tcp?: boolean;
  readonly raw?: boolean;
}

const ROWS: readonly Row[] = [
  ["S04", "D", `cart.${S}`, "TXT", "NODATA"],
  ["S05", "D", `cart.${S}`, "CNAME", "NODATA"],
  ["S03", "D", `cart.${S}`, "SRV", `SRV 0 100 80 cart.${S}`, { ar: `cart.${S} A 10.0.0.1`, ours: WEIGHT }],
  ["S14", "D", `idle.${S}`, "A", "A 10.0.0.7"],
  ["S15", "I", `idle.${S}`, "A", "NXDOMAIN"],
  ["S15b", "I", `cart.${S}`, "A", "A 10.0.0.1"],
  ["S19", "D", `duo.${S}`, "AAAA", "AAAA fd00:10::3"],
  ["S22", "D", `172-20-0-9.cart.${S}`, "A", "A 172.20.0.9"],
  ["S24", "D", "ledger.bank.svc.cluster.local", "A", "A 10.96.0.100"],
  ["H01", "D", `ring.${S}`, "A", "A 172.20.1.2|A 172.20.1.3|A 172.20.1.4|A 172.20.1.5"],
  ["H04", "D", `ring.${S}`, "TXT", "NODATA"],
  ["H05", "D", `172-20-1-2.ring.${S}`, "A", "A 172.20.1.2"],
  ["H08", "D", `same.ring.${S}`, "A", "A 172.20.1.4|A 172.20.1.5"],
  ["H10", "D", `fd00-20--a.ring.${S}`, "A", "NODATA"],
  ["H11", "D", `gone.ring.${S}`, "A", "NXDOMAIN"],
  ["H12", "D", `ringnp.${S}`, "A", "A 172.20.1.20"],
  ["H16", "D", `hollow.${S}`, "SRV", "NXDOMAIN"],
  ["H17", "D", `unsure.${S}`, "A", "A 172.20.1.31"],
  ["H18", "D", `leaving.${S}`, "A", "A 172.20.1.33"],
  ["H19b", "D", `set-1.set.${S}`, "A", "A 172.20.2.3"],
  ["H22", "V", `web-abc12.podref.${S}`, "A", "A 172.20.2.11"],
  ["H23", "V", `172-20-2-11.podref.${S}`, "A", "NXDOMAIN"],
  ["R02", "D", `_web._tcp.six.${S}`, "SRV", `SRV 0 100 80 six.${S}`, { ar: `six.${S} AAAA fd00:10::1`, ours: WEIGHT }],
  [
    "R05",
    "D",
    `twin.${S}`,
    "SRV",
    `SRV 0 50 80 twin.${S}|SRV 0 50 443 twin.${S}`,
    { ar: `twin.${S} A 10.0.0.4`, ours: WEIGHT },
  ],
  ["R06", "D", `_tls._tcp.twin.${S}`, "SRV", `SRV 0 100 443 twin.${S}`, { ar: `twin.${S} A 10.0.0.4`, ours: WEIGHT }],
  ["R10", "D", `_tcp.twin.${S}`, "SRV", "NXDOMAIN", { ours: { mode: "either", want: "NODATA" } }],
  [
    "R13",
    "D",
    `_._tcp.plain.${S}`,
    "SRV",
    `SRV 0 100 8080 plain.${S}`,
    { ar: `plain.${S} A 10.0.0.5`, ours: { mode: "either", want: "NXDOMAIN" } },
  ],
  ["R16", "D", `_web._tcp.ext.${S}`, "SRV", "NXDOMAIN"],
  [
    "R17",
    "D",
    "_dns._udp.kube-dns.kube-system.svc.cluster.local",
    "SRV",
    "SRV 0 100 53 kube-dns.kube-system.svc.cluster.local",
    { ar: "kube-dns.kube-system.svc.cluster.local A 10.0.0.10", ours: WEIGHT },
  ],
  [
    "P10",
    "D",
    "1.0.240.10.in-addr.arpa",
    "PTR",
    "NXDOMAIN",
    { zone: "in-addr.arpa", note: "a pod that no service has" },
  ],
  ["P13", "D", "999.0.0.10.in-addr.arpa", "PTR", "NXDOMAIN", { zone: "in-addr.arpa" }],
  ["P16", "D", reverse6("fd000010000000000000000000000001").toUpperCase(), "PTR", `PTR six.${S}`, { zone: "ip6.arpa" }],
  ["P17", "D", `cart.${S}`, "PTR", "NODATA"],
  ["P20", "V", "11.2.20.172.in-addr.arpa", "PTR", `PTR web-abc12.podref.${S}`],
  ["X05", "C", `ext.${S}`, "TXT", "NODATA"],
  ["X06", "C", `ext.${S}`, "MX", "NODATA"],
  ["X07", "D", `ext.${S}`, "A", "CNAME www.example.test"],
  ["X09", "D", `ext-in.${S}`, "AAAA", "NODATA"],
  ["X12", "D", `ext-ip.${S}`, "CNAME", "NXDOMAIN", { ours: { mode: "either", want: "NODATA" } }],
  ["X13", "D", `ext-self.${S}`, "A", "NODATA"],
  ["X15", "D", `ext-gone.${S}`, "A", "NODATA"],
  ["X16", "D", `ext-dot.${S}`, "CNAME", "CNAME www.example.test"],
  ["X20", "D", `sub.ext.${S}`, "CNAME", "NXDOMAIN"],
  ["N02", "D", `nope.${S}`, "AAAA", "NXDOMAIN"],
  ["N03", "D", `nope.${S}`, "TXT", "NXDOMAIN"],
  ["N05", "D", "cart.hidden.svc.cluster.local", "A", "NXDOMAIN"],
  ["N05b", "D", "hidden.svc.cluster.local", "A", "NXDOMAIN"],
  ["N08", "D", "foo.svc.cluster.local", "A", "NXDOMAIN"],
  ["N10", "D", `a.b.c.cart.${S}`, "A", "NXDOMAIN"],
  ["N14", "D", "pod.cluster.local", "A", "NODATA"],
  ["N16", "D", "shop.svc.cluster.local", "NS", "NODATA"],
  ["N18", "D", "cart.shop.any.cluster.local", "A", "NXDOMAIN"],
  ["N22", "D", `any.${S}`, "A", "NXDOMAIN"],
  ["N24", "D", "nope.any.svc.cluster.local", "A", "NXDOMAIN"],
  ["Z01", "D", "cluster.local", "SOA", "5 SOA ns.dns.cluster.local hostmaster.cluster.local 7200 1800 86400 5"],
  ["Z14", "D", "in-addr.arpa", "SOA", "5 SOA ns.dns.in-addr.arpa hostmaster.in-addr.arpa 7200 1800 86400 5"],
  ["Z06", "D", "cluster.local", "TXT", "NXDOMAIN", { ours: { mode: "differ", want: "NODATA" } }],
  ["Z05", "D", "cluster.local", "SRV", "NODATA"],
  ["Z11", "D", "dns-version.cluster.local", "TXT", "28800 TXT 1.1.0"],
  ["Z12", "D", "dns-version.cluster.local", "A", "NXDOMAIN", { ours: { mode: "differ", want: "NODATA" } }],
  ["O01", "D", "10-240-0-1.rail.pod.cluster.local", "A", "NXDOMAIN"],
  ["O05", "I", "10-240-0-1.hidden.pod.cluster.local", "A", "NXDOMAIN"],
  ["O08", "I", "blah.rail.pod.cluster.local", "TXT", "NXDOMAIN"],
  ["O11", "I", "pod.cluster.local", "A", "NODATA"],
  ["O13", "I", "10-240-0-1.rail.pod.cluster.local", "TXT", "NODATA"],
  ["O12", "I", "rail.pod.cluster.local", "AAAA", "NODATA"],
  ["O15", "I", "172-20-0-2.rail.pod.cluster.local", "AAAA", "NODATA"],
  ["O24", "V", "10-240-0-1.shop.pod.cluster.local", "A", "NXDOMAIN"],
  ["O25", "V", "fd00-30--1.rail.pod.cluster.local", "AAAA", "AAAA fd00:30::1"],
  ["E01", "E", `cart.${S}`, "A", "A 10.0.0.1"],
  ["E04", "E", "1.0.0.10.in-addr.arpa", "PTR", "SERVFAIL", { ours: { mode: "differ", want: "REFUSED" } }],
  ["U05", "N", "cluster.local", "SOA", "5 SOA ns.dns.cluster.local hostmaster.cluster.local 7200 1800 86400 5"],
  ["U06", "N", "dns-version.cluster.local", "TXT", "28800 TXT 1.1.0"],
  ["T01", "D", `crowd.${S}`, "A", "29 of 200", { note: "200 A, no EDNS", ours: COUNT }],
  ["T02", "D", `crowd.${S}`, "A", "28 of 200", { note: "200 A, EDNS 512", edns: 512, ours: COUNT }],
  ["T05", "D", `crowd.${S}`, "A", "200 of 200", { note: "200 A, EDNS 65535", edns: 65_535, ours: COUNT }],
  ["T07", "D", `crowd.${S}`, "SRV", "7 of 200", { note: "200 SRV, no EDNS", ours: COUNT }],
  ["T09", "D", `crowd.${S}`, "SRV", "200 of 200", { note: "200 SRV, TCP", tcp: true, ours: COUNT }],
  ["T10", "D", `group.${S}`, "A", "29 of 40", { note: "40 A, no EDNS", ours: COUNT }],
  ["T11", "D", `group.${S}`, "A", "40 of 40", { note: "40 A, EDNS 1232", edns: 1232, ours: COUNT }],
  ["F01", "C", "www.example.test", "A", "30 A 1.2.3.4"],
  ["P21", "C", "99.99.99.10.in-addr.arpa", "PTR", "NXDOMAIN ."],
  ["F03", "C", "none.example.org", "A", "NXDOMAIN ."],
];

const CART = `cart.${S}`;
const SIZE: OurRule = { mode: "ignore", want: "OPT size" };
const FORMERR: OurRule = { mode: "differ", want: "FORMERR" };
const DROPPED: OurRule = { mode: "differ", want: "no options" };

/** A packet that asks for the address of cart, with some of its 16-bit words replaced. */
function words(changes: Readonly<Record<number, number>>, packet = encodeQuery({ name: CART, type: "A" })): Buffer {
  for (const [at, value] of Object.entries(changes)) {
    packet.writeUInt16BE(value, Number(at));
  }
  return packet;
}

/** The same with an OPT record, of which the bytes after its type are given. */
function withOpt(tail: string, owner = "00"): Buffer {
  const packet = words({ 10: 1 });
  return Buffer.concat([packet, Buffer.from(`${owner}0029${tail}`, "hex")]);
}

const FLAGS_AT = 2;
const TYPE_AT = encodeQuery({ name: CART, type: "A" }).length - 4;
const CART_A = "A 10.0.0.1";
const WIRE_ROWS: readonly WireRow[] = [
  ["W02", "RD=0", words({ [FLAGS_AT]: 0 }), CART_A, { flags: ["aa"] }],
  ["W03", "CD=1", words({ [FLAGS_AT]: 0x0110 }), CART_A, { flags: ["aa", "rd", "cd"] }],
  ["W04", "AD=1, Z=1", words({ [FLAGS_AT]: 0x0160 }), CART_A],
  ...[1, 2, 5].map(
    (opcode, at): WireRow => [
      ["W06", "W07", "W10"][at],
      `opcode ${opcode}`,
      words({ [FLAGS_AT]: 0x0100 | (opcode << 11) }),
      "NOTIMP",
      { opcode, flags: ["rd"] },
    ],
  ),
  ["W13", "QDCOUNT 0, nothing follows", words({ 4: 0 }).subarray(0, 12), "FORMERR"],
  ["W16", "QDCOUNT 2, one question", words({ 4: 2 }), "FORMERR"],
  ["W17", "QDCOUNT 65535", words({ 4: 65_535 }), "FORMERR"],
  ["W20", "NSCOUNT 1, none present", words({ 8: 1 }), CART_A, { ours: { mode: "either", want: "FORMERR" } }],
  ["W25", "1 byte", Buffer.from([0x12]), "silence"],
  [
    "W37",
    "label of 64",
    Buffer.concat([words({}).subarray(0, 12), Buffer.alloc(65, 0x40), Buffer.from("0000010001", "hex")]),
    "FORMERR",
  ],
  [
    "W40",
    "root",
    encodeQuery({ name: "", type: "A" }),
    "SERVFAIL",
    { ours: { mode: "differ", want: "REFUSED" }, flags: ["rd"] },
  ],
  ["W46", "class ANY", words({ [TYPE_AT + 2]: 255 }), "REFUSED", { flags: ["rd"] }],
  ["W50", "qtype 0", words({ [TYPE_AT]: 0 }), "NODATA", { ours: { mode: "either", want: "NODATA / FORMERR" } }],
  ["W53", "qtype TSIG", words({ [TYPE_AT]: 250 }), "NODATA", { ours: { mode: "either", want: "NODATA / FORMERR" } }],
  ...[1232, 4096, 65_535].map(
    (size, at): WireRow => [
      `W${60 + at}`,
      `EDNS size ${size}`,
      encodeQuery({ name: CART, type: "A", edns: { size } }),
      CART_A,
      { edns: size, ours: SIZE },
    ],
  ),
  ["W67", "OPT with an owner", withOpt("04d0000000000000", "016100"), CART_A, { edns: 1232, ours: FORMERR }],
  [
    "W68",
    "option that runs past its end",
    withOpt("04d0000000000006000a00080102"),
    "FORMERR with question",
    { ours: FORMERR },
  ],
  [
    "W69",
    "option cookie",
    withOpt("04d000000000000c000a00080102030405060708"),
    CART_A,
    { edns: 1232, options: "000a00080102030405060708", ours: DROPPED },
  ],
  [
    "W71",
    "option NSID",
    withOpt("04d000000000000400030000"),
    CART_A,
    { edns: 1232, options: "00030000", ours: DROPPED },
  ],
  [
    "W72",
    "option padding",
    withOpt("04d0000000000008000c000400000000"),
    CART_A,
    { edns: 1232, options: "000c000400000000", ours: DROPPED },
  ],
  [
    "W73",
    "option keepalive",
    withOpt("04d0000000000004000b0000"),
    CART_A,
    { edns: 1232, options: "000b0000", ours: DROPPED },
  ],
  [
    "W78",
    "TCP frame of 5 bytes",
    Buffer.from("00051234010000", "hex"),
    "silence",
    { tcp: true, raw: true, ours: { mode: "differ", want: "connection closed" } },
  ],
];

/** All of them in the form of the file. */
export const OWN_CASES: readonly Case[] = [...ROWS.map(caseOf), ...WIRE_ROWS.map(wireCaseOf)];

function caseOf([id, cfg, q, type, answer, more = {}]: Row): Case {
  const { note, ours = { mode: "same" }, edns, tcp } = more;
  const opts = { ...(edns === undefined ? {} : { edns: { size: edns } }), ...(tcp === true ? { tcp: 1 } : {}) };
  const common = { id, cfg, q, type, opts, note, ours };
  const opt = edns === undefined ? [] : [`OPT size=${edns} ver=0 ext=0 do=0`];
  const many = /^(\d+) of (\d+)$/.exec(answer);
  if (many !== null) {
    const [, count, all] = many;
    const flags = count === all ? ["aa", "rd"] : ["aa", "tc", "rd"];
    const counts = [1, Number(count), 0, type === "SRV" && count === all ? Number(all) : opt.length];
    return { ...common, coredns: { rcode: "NOERROR", opcode: 0, flags, counts, an: ["…"], ns: [], ar: ["…"] } };
  }
  const ar = [...(more.ar === undefined ? [] : more.ar.split("|").map((text) => text.replace(" ", " 5 "))), ...opt];
  return { ...common, coredns: replyOf(answer, q, ar, { zone: more.zone }) };
}

function wireCaseOf([id, wire, packet, answer, more = {}]: WireRow): Case {
  const { ours = { mode: "same" }, edns, tcp, raw } = more;
  const options = more.options === undefined ? "" : ` options=${more.options}`;
  const ar = edns === undefined ? [] : [`OPT size=${edns} ver=0 ext=0 do=0${options}`];
  const coredns = replyOf(answer, CART, ar, { flags: more.flags, opcode: more.opcode });
  return {
    id,
    cfg: "D",
    wire,
    hex: packet.toString("hex"),
    ours,
    coredns,
    ...(tcp === true ? { tcp: 1 } : {}),
    ...(raw === true ? { rawtcp: 1 } : {}),
  };
}

interface ReplyParts {
  readonly zone?: string;
  readonly flags?: readonly string[];
  readonly opcode?: number;
}

/** What CoreDNS answers, from its short form. */
function replyOf(answer: string, q: string, ar: readonly string[], parts: ReplyParts): MeasuredReply {
  const { zone = "cluster.local", opcode = 0 } = parts;
  const nothing = { opcode, an: [], ns: [], ar };
  if (answer === "silence") {
    return { ...nothing, reply: false, rcode: "", flags: [], counts: [] };
  }
  const refusal = /^(FORMERR|NOTIMP|REFUSED|SERVFAIL)( with question)?$/.exec(answer);
  if (refusal !== null) {
    const [, rcode, echoed] = refusal;
    const questions = echoed === undefined && (rcode === "FORMERR" || rcode === "NOTIMP") ? 0 : 1;
    return { ...nothing, rcode, flags: parts.flags ?? ["rd"], counts: [questions, 0, 0, ar.length] };
  }
  const flags = parts.flags ?? ["aa", "rd"];
  const [rcode, elsewhere] = answer.split(" ");
  if (rcode === "NXDOMAIN" || rcode === "NODATA") {
    const mine = `${zone} 5 SOA ns.dns.${zone} hostmaster.${zone} 7200 1800 86400 5`;
    const ns = [elsewhere === "." ? ". 30 SOA ns h 2 3 4 60" : mine];
    const counts = [1, 0, 1, ar.length];
    return { ...nothing, rcode: rcode === "NODATA" ? "NOERROR" : rcode, flags, counts, ns };
  }
  const an = answer.split("|").map((text) => (/^\d/.test(text) ? `${q} ${text}` : `${q} 5 ${text}`));
  return { ...nothing, rcode: "NOERROR", flags, counts: [1, an.length, 0, ar.length], an };
}
