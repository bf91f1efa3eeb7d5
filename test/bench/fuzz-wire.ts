import { parseArgs } from "node:util";
import { fuzz } from "../../core/wire/fuzz.test-support.ts";

/** 10 million broken inputs to the decoders; `--quick` 500,000, `--seed N` for another sequence. Ends with 1 on a finding. */
function main(): void {
  const { values } = parseArgs({
    options: {
      runs: { type: "string" },
      quick: { type: "boolean" },
      seed: { type: "string" },
      iterations: { type: "string" },
    },
  });
  const iterations = Number(values.iterations ?? (values.quick ? 500_000 : 10_000_000));
  const seed = Number(values.seed ?? 1);
  const start = performance.now();
  const result = fuzz(iterations, seed, (done) => {
    const seconds = (performance.now() - start) / 1000;
    console.log(`${done.toLocaleString("en-US")} inputs, ${Math.round(done / seconds).toLocaleString("en-US")}/s`);
  });
  for (const finding of result.findings) {
    console.log(finding);
  }
  const refused = Object.entries(result.refused).map(([code, inputs]) => [code, inputs.toLocaleString("en-US")]);
  console.log(
    JSON.stringify({
      how: [
        `${iterations.toLocaleString("en-US")} inputs (seed ${seed}): watches and lists, protobuf and JSON, truncated, flipped, spliced, repeated, with noise.`,
      ],
      tables: [
        {
          title: "What became of the inputs",
          columns: ["result", "inputs"],
          rows: [["read to the end", result.accepted.toLocaleString("en-US")], ...refused],
        },
      ],
      bars: [
        {
          what: "findings (no code, hang, row that is not in the input)",
          value: result.findings.length,
          wants: "at most",
          limit: 0,
          unit: "",
        },
        { what: "slowest input", value: result.slowestMs, wants: "at most", limit: 2000, unit: "ms" },
      ],
    }),
  );
  process.exitCode = result.findings.length > 0 ? 1 : 0;
}

main();
