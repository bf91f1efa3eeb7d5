import assert from "node:assert/strict";
import { test } from "node:test";
import { FairleadError } from "../errors.ts";
import { RestMeter } from "./counted-transport.ts";
import type { ResponseSink, Transport } from "./transport.ts";

/** A transport whose answers the test gives. */
function scripted(): { transport: Transport; sinks: ResponseSink[]; told: string[] } {
  const sinks: ResponseSink[] = [];
  const told: string[] = [];
  const transport: Transport = {
    open: (request, sink) => {
      told.push(`open ${request.path}`);
      sinks.push(sink);
      return { cancel: () => told.push("cancel"), pause: () => {}, resume: () => {} };
    },
    reset: (reason) => told.push(`reset ${reason}`),
    close: async () => void told.push("close"),
  };
  return { transport, sinks, told };
}

const silent: ResponseSink = { head: () => {}, data: () => {}, end: () => {}, fail: () => {} };

test("requests are counted once, by code and method, those without an answer as an error", () => {
  const { transport, sinks } = scripted();
  const meter = new RestMeter("https://127.0.0.1:6443");
  const counted = meter.count(transport);
  for (const method of ["GET", "PATCH", "GET"] as const) {
    counted.open({ method, path: "/" }, silent);
  }
  const error = new FairleadError("KUBE_RESET", "the connection was reset");
  sinks[0].head({ status: 200, headers: {} });
  sinks[0].fail(error);
  sinks[1].head({ status: 409, headers: {} });
  sinks[1].end();
  sinks[2].fail(error);
  assert.deepEqual(
    [...meter.requests],
    [
      ["200 GET", 1],
      ["409 PATCH", 1],
      ["<error> GET", 1],
    ],
  );
  assert.deepEqual(
    [meter.host, meter.seconds.get("GET")?.count, meter.seconds.get("PATCH")?.count],
    ["127.0.0.1:6443", 2, 1],
  );
});

test("nothing is lost on the way: head, data, end, failure, cancel, reset and close arrive as they are", async () => {
  const { transport, sinks, told } = scripted();
  const counted = new RestMeter("https://example.org").count(transport);
  const heard: string[] = [];
  const sink: ResponseSink = {
    head: ({ status }) => heard.push(`head ${status}`),
    data: (chunk) => heard.push(`data ${chunk}`),
    end: () => heard.push("end"),
    fail: ({ code }) => heard.push(code),
  };
  const exchange = counted.open({ method: "GET", path: "/a" }, sink);
  sinks[0].head({ status: 200, headers: {} });
  sinks[0].data(Buffer.from("x"));
  sinks[0].end();
  exchange.cancel();
  counted.open({ method: "GET", path: "/b" }, sink);
  sinks[1].fail(new FairleadError("KUBE_TIMEOUT", "late"));
  counted.reset("why");
  await counted.close();
  assert.deepEqual(heard, ["head 200", "data x", "end", "KUBE_TIMEOUT"]);
  assert.deepEqual(told, ["open /a", "cancel", "open /b", "reset why", "close"]);
});
