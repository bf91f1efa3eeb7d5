import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { openLog, type ProgramLog } from "./log.ts";

/** A log with its lines. */
function recorded(level: "debug" | "info" = "info"): { log: ProgramLog; lines: () => Record<string, unknown>[] } {
  const lines: string[] = [];
  const log = openLog({ level, write: (line) => lines.push(line) });
  return { log, lines: () => lines.map((line) => JSON.parse(line)) };
}

test("one event a line: level as a number, time in milliseconds, fields, message", () => {
  const { log, lines } = recorded();
  const before = Date.now();
  log.info({ plugin: "dns", count: 3 }, "cache\nsynced");
  log.debug({}, "not written");
  log.error({ code: "X" }, "failed");
  const [first, second] = lines();
  const { time, ...rest } = first;
  assert.deepEqual(rest, { level: 30, plugin: "dns", count: 3, msg: "cache\nsynced" });
  assert.ok(typeof time === "number" && time >= before && time <= Date.now());
  assert.deepEqual([second.level, lines().length], [50, 2]);
});

test("secrets are cut out, wherever they stand", () => {
  const { log, lines } = recorded();
  log.warn(
    {
      token: "t0ps3cret",
      headers: { Authorization: "Bearer t0ps3cret", "set-cookie": "a=t0ps3cret" },
      options: [{ db_password: "t0ps3cret", "client-key-data": "t0ps3cret", apiKey: "t0ps3cret", user: "ada" }],
      credentials: { value: "t0ps3cret" },
      detail: "GET https://ada:t0ps3cret@example.org/x with Authorization: bearer t0ps3cret",
      jwt: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ0MHBzM2NyZXQifQ.c2lnbmF0dXJl",
      pem: "-----BEGIN EC PRIVATE KEY-----\nt0ps3cret\n-----END EC PRIVATE KEY-----",
      error: new Error("refused: Bearer t0ps3cret"),
      map: new Map([["password", "t0ps3cret"]]),
    },
    "https://ada:t0ps3cret@example.org refused",
  );
  const text = JSON.stringify(lines());
  assert.doesNotMatch(text, /t0ps3cret|eyJ/);
  assert.match(text, /https:\/\/ada:\[redacted\]@example\.org/);
  assert.match(text, /"user":"ada"/);
});

test("what only sounds like a secret stays", () => {
  const { log, lines } = recorded();
  log.info({ objects: { secrets: 5, pods: 7 }, kind: "secrets", token: "", hasToken: true, tokenFile: "/run/t" }, "ok");
  const [{ level, time, ...fields }] = lines();
  assert.deepEqual(fields, {
    objects: { secrets: 5, pods: 7 },
    kind: "secrets",
    token: "",
    hasToken: true,
    tokenFile: "/run/t",
    msg: "ok",
  });
});

test("whatever is logged makes one line of JSON, and nothing throws", () => {
  const { log, lines } = recorded();
  const circle: Record<string, unknown> = { name: "circle" };
  circle.self = circle;
  const deep = JSON.parse(`${'{"a":'.repeat(50)}1${"}".repeat(50)}`);
  const nasty = {
    get broken(): never {
      throw new Error("broken getter");
    },
  };
  const proxy = new Proxy({}, { ownKeys: () => Reflect.ownKeys(JSON.parse("{")) });
  const values: unknown[] = [
    circle,
    deep,
    { nasty },
    { proxy },
    null,
    undefined,
    "text",
    7n,
    Symbol("s"),
    [1],
    () => 1,
  ];
  values.push({ big: 7n, bytes: new Uint8Array(5), date: new Date(Number.NaN), long: "x".repeat(100_000) });
  values.push(JSON.parse('{"__proto__": {"polluted": 1}, "toJSON": 5, "msg": "mine", "level": 99}'));
  for (const value of values) {
    // What a plugin in JavaScript may hand over.
    log.info(value as Record<string, unknown>, "line");
  }
  assert.equal(lines().length, values.length);
  assert.ok(lines().every((line) => JSON.stringify(line).length < 20_000));
  assert.equal("polluted" in {}, false);
  assert.ok(lines().every(({ level, msg }) => level === 30 && msg === "line"));
});

test("the level changes while the program runs", () => {
  const { log, lines } = recorded();
  log.level = "debug";
  log.debug({}, "seen");
  log.level = "error";
  log.warn({}, "not seen");
  log.level = "silent";
  log.error({}, "not seen");
  assert.deepEqual([log.level, lines().map(({ msg }) => msg)], ["silent", ["seen"]]);
});

test("SIGUSR2 goes to debug and back, until the log is closed", async () => {
  // Node's test runner makes its children write a report for this signal.
  process.report.reportOnSignal = false;
  const lines: string[] = [];
  const before = process.listenerCount("SIGUSR2");
  const log = openLog({ level: "warn", write: (line) => lines.push(line), signal: true });
  const signal = async (): Promise<void> => {
    const heard = new Promise((resolve) => process.once("SIGUSR2", resolve));
    process.kill(process.pid, "SIGUSR2");
    await heard;
  };
  await signal();
  assert.equal(log.level, "debug");
  await signal();
  assert.equal(log.level, "warn");
  await log.close();
  assert.equal(process.listenerCount("SIGUSR2"), before);
  log.error({}, "after the end");
  assert.equal(
    lines.some((line) => line.includes("after the end")),
    false,
  );
});

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
}

/** Runs a program that has opened a log to stderr as `log`. */
async function program(body: string, read = true): Promise<Ended> {
  const source = `import { openLog } from ${JSON.stringify(new URL("./log.ts", import.meta.url).href)};
const log = openLog({ level: "info" });
${body}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], { stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  if (read) {
    child.stderr.setEncoding("utf8").on("data", (chunk) => {
      stderr += chunk;
    });
  } else {
    child.stderr.destroy();
  }
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, stderr };
}

const LINES = 'for (let i = 0; i < 5000; i++) log.info({ i, filler: "x".repeat(100) }, "line");';
const numbers = (text: string): number[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("{") && line.includes('"msg":"line"'))
    .map((line) => JSON.parse(line).i);
const all = Array.from({ length: 5000 }, (_, i) => i);

for (const [how, end, code] of [
  ["comes to its end", "await log.close();", 0],
  ["comes to its end without closing the log", "", 0],
  ["calls process.exit", "process.exit(3);", 3],
  ["throws", 'setImmediate(() => { throw new Error("unexpected"); });', 1],
] as const) {
  test(`no line is lost when the program ${how}`, { timeout: 30_000 }, async () => {
    const ended = await program(`${LINES}\n${end}`);
    assert.equal(ended.code, code);
    assert.deepEqual(numbers(ended.stderr), all);
  });
}

test("a program that ends at once although nobody reads its log does end", { timeout: 30_000 }, async () => {
  assert.equal((await program(`${LINES}\nprocess.exit(7);`, false)).code, 7);
});

test("a program goes on and ends well when nobody reads its log", { timeout: 30_000 }, async () => {
  const { code } = await program(
    `${LINES}
for (let i = 0; i < 20; i++) { await new Promise((resolve) => setImmediate(resolve)); log.info({}, "more"); }
await log.close();
process.exit(7);`,
    false,
  );
  assert.equal(code, 7);
});
