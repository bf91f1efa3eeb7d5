// Runs in a pod whose dnsConfig names our server: asks by the C library's resolver, by c-ares and by TCP, all the time, until
// the service "over" has a name. Says one line of JSON at its end.
const { lookup, Resolver } = require("node:dns").promises;
const { connect } = require("node:net");
const { setTimeout: delay } = require("node:timers/promises");

const { SERVER, ECHO, POD_IP } = process.env;
const ZONE = "default.svc.cluster.local";
const counts = {};
const failures = [];
let failed = 0;

async function ask(what, wanted, run) {
  let found;
  try {
    found = await run();
  } catch (error) {
    found = error.code ?? String(error);
  }
  counts[what] = (counts[what] ?? 0) + 1;
  if (found !== wanted) {
    failed++;
    failures.push(`${what} number ${counts[what]}: ${found} instead of ${wanted}`);
    failures.splice(20);
  }
}

/** The first address in an answer by TCP. */
function byTcp(name) {
  const labels = name.split(".").map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`));
  const query = Buffer.concat([
    Buffer.from("123401000001000000000000", "hex"),
    ...labels,
    Buffer.from("0000010001", "hex"),
  ]);
  const length = Buffer.from([query.length >> 8, query.length & 255]);
  return new Promise((resolve, reject) => {
    const socket = connect(53, SERVER, () => socket.write(Buffer.concat([length, query])));
    socket.setTimeout(5_000, () => socket.destroy(new Error("no answer by TCP")));
    socket.on("error", reject);
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
        socket.destroy();
        resolve([...received.subarray(-4)].join("."));
      }
    });
    socket.on("close", () => reject(new Error("closed")));
  });
}

async function main() {
  const resolver = new Resolver({ timeout: 2_000, tries: 3 });
  const address = async (name) => (await lookup(name, 4)).address;
  const mine = `${POD_IP.replaceAll(".", "-")}.default.pod.cluster.local`;
  // Not resolver.reverse, which finds the pod's own address in its /etc/hosts.
  const reverse = `${POD_IP.split(".").reverse().join(".")}.in-addr.arpa`;
  // The kubelet tells the pod's address a moment after it has started.
  while ((await address(`${mine}.`).catch(() => "")) !== POD_IP) {
    await delay(10);
  }
  console.log("asking");
  const isOver = () =>
    lookup(`over.${ZONE}.`).then(
      () => true,
      () => false,
    );
  while (!(await isOver())) {
    await ask("short", ECHO, () => address("echo"));
    await ask("dots", ECHO, () => address("echo.default.svc"));
    await ask("whole", ECHO, () => address(`echo.${ZONE}.`));
    await ask("missing", "ENOTFOUND", () => address(`nope.${ZONE}.`));
    await ask("pod", POD_IP, () => address(mine));
    await ask("udp", ECHO, async () => (await resolver.resolve4(`echo.${ZONE}`))[0]);
    await ask("srv", 80, async () => (await resolver.resolveSrv(`_web._tcp.echo.${ZONE}`))[0].port);
    await ask("reverse", mine, async () => (await resolver.resolvePtr(reverse))[0]);
    await ask("tcp", ECHO, () => byTcp(`echo.${ZONE}`));
    await delay(10); // A pace, not a wait: it asks for as long as the test lasts.
  }
  console.log(JSON.stringify({ counts, failures, failed }));
}

main();
