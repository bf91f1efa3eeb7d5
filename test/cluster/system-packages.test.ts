import assert from "node:assert/strict";
import { test } from "node:test";
import { type Machine, whatIsMissing } from "./system-packages.ts";

const machine = (isRoot: boolean, ...programs: readonly string[]): Machine => ({
  isRoot,
  has: (program) => programs.includes(program),
});

test("what is missing for containers is told by package, each once, and whether root is", () => {
  const cases = [
    { on: machine(true, "containerd", "ctr", "cni"), missing: undefined },
    { on: machine(true, "cni"), missing: "programs are missing: apt-get install containerd" },
    {
      on: machine(true, "containerd"),
      missing: "programs are missing: apt-get install containerd containernetworking-plugins",
    },
    { on: machine(false, "containerd", "ctr", "cni"), missing: "containers need root" },
    {
      on: machine(false),
      missing: "containers need root; programs are missing: apt-get install containerd containernetworking-plugins",
    },
  ];
  for (const { on, missing } of cases) {
    assert.equal(whatIsMissing(["containerd", "ctr"], true, on), missing);
  }
});
