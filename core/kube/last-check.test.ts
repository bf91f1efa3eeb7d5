import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FairleadError } from "../errors.ts";
import { createKubeClient } from "./client.ts";
import { connect } from "./http-transport.ts";
import { accessTo, type Handler, serve } from "./server.test-support.ts";

const answer =
  (seen: string[]): Handler =>
  (request, response) => {
    seen.push(`${request.method}`);
    request.resume();
    request.on("end", () => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end("{}");
    });
  };

const pods = { apiVersion: "v1", plural: "pods", namespace: "shop" };

suite("the last check before a request is written", { timeout: 20_000 }, () => {
  test("is made for a new connection and for one that is kept; what it refuses is never written", async () => {
    const seen: string[] = [];
    await using server = await serve("http", answer(seen));
    const transport = connect(accessTo(`http://127.0.0.1:${server.port}`));
    const client = createKubeClient(transport);
    let checks = 0;
    let may = 0;
    // Once when the call begins, once at the connection.
    const beforeEach = (): void => {
      if (++checks > may) {
        throw new FairleadError("ELECTION_LOST", "over");
      }
    };
    may = 1;
    await assert.rejects(client.create(pods, {}, { beforeEach }), { code: "ELECTION_LOST" });
    assert.deepEqual([checks, seen], [2, []]);
    checks = 0;
    may = 2;
    await client.create(pods, {}, { beforeEach });
    assert.deepEqual([checks, seen], [2, ["POST"]]);
    checks = 0;
    may = 1;
    await assert.rejects(client.create(pods, {}, { beforeEach }), { code: "ELECTION_LOST" });
    await client.get({ ...pods, name: "a" });
    assert.deepEqual(seen, ["POST", "GET"]);
    await transport.close();
  });

  test("ends the call also with what is no error of ours", async () => {
    const seen: string[] = [];
    await using server = await serve("http", answer(seen));
    const transport = connect(accessTo(`http://127.0.0.1:${server.port}`));
    let checks = 0;
    const beforeEach = (): void => {
      if (++checks === 2) {
        throw new Error("no more");
      }
    };
    const client = createKubeClient(transport);
    await assert.rejects(client.create(pods, {}, { beforeEach }), { code: "KUBE_ABORTED", message: "no more" });
    assert.deepEqual(seen, []);
    await transport.close();
  });
});
