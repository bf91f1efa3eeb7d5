import { parseArgs } from "node:util";
import { fuzzAnswers } from "../dns/fuzz.ts";

/** 10 million broken packets to the DNS plugin's answers; `--quick` 500,000, `--seed N` another sequence. Ends with 1 on a finding. */
function main(): void {
  const { values } = parseArgs({
    options: { runs: { type: "string" }, quick: { type: "boolean" }, seed: { type: "string" } },
  });
  const packets = values.quick ? 500_000 : 10_000_000;
  const seed = Number(values.seed ?? 1);
  const start = performance.now();
  const result = fuzzAnswers(packets, seed, (done) => {
    const seconds = (performance.now() - start) / 1000;
    console.log(`${done.toLocaleString("en-US")} packets, ${Math.round(done / seconds).toLocaleString("en-US")}/s`);
  });
  for (const finding of result.findings) {
    console.log(finding);
  }
  const rows = Object.entries(result.outcomes).map(([kind, count]) => [kind, count.toLocaleString("en-US")]);
  console.log(
    JSON.stringify({
      how: [
        `${packets.toLocaleString("en-US")} packets (seed ${seed}): the packets of the conformance cases, broken in one to four ways each; every reply is read by a strict reader.`,
      ],
      tables: [{ title: "What became of the packets", columns: ["result", "packets"], rows }],
      bars: [
        {
          what: "findings (thrown, answered an answer, too long, unreadable, next question spoilt)",
          value: result.findings.length,
          wants: "at most",
          limit: 0,
          unit: "",
        },
        { what: "slowest packet", value: result.slowestMs, wants: "at most", limit: 2000, unit: "ms" },
      ],
    }),
  );
  process.exitCode = result.findings.length > 0 ? 1 : 0;
}

main();
