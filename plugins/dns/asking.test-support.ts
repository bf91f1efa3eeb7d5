import { createSocket } from "node:dgram";
import { parentPort, workerData } from "node:worker_threads";
import { question } from "./desk.test-support.ts";

/** What the thread of a test asks. */
export interface AskingData {
  readonly port: number;
  readonly name: string;
  readonly perSecond: number;
  readonly count: number;
  /** After the last question, milliseconds. */
  readonly waitMs: number;
}

/** What it found. */
export interface AskingResult {
  readonly sent: number;
  readonly answered: number;
  readonly refused: number;
  readonly longestMs: number;
}

const TICK_MS = 5;
const SOCKETS = 16;

/** Asks at an even rate from a thread of its own, so that it goes on while the main thread stands still. */
async function ask({ port, name, perSecond, count, waitMs }: AskingData): Promise<AskingResult> {
  const sockets = Array.from({ length: SOCKETS }, () => createSocket({ type: "udp4", recvBufferSize: 1 << 22 }));
  const sentAt = new Map<number, number>();
  let answered = 0;
  let refused = 0;
  let longestMs = 0;
  for (const socket of sockets) {
    socket.on("message", (message) => {
      const id = message.readUInt16BE(0);
      const at = sentAt.get(id);
      if (at !== undefined) {
        sentAt.delete(id);
        answered++;
        refused += (message[3] & 15) === 0 ? 0 : 1;
        longestMs = Math.max(longestMs, performance.now() - at);
      }
    });
    // A port that nobody has is told; the question counts as lost.
    socket.on("error", () => {});
  }
  const packet = question(name);
  const startedAt = performance.now();
  let sent = 0;
  while (sent < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedAt) * perSecond) / 1000));
    for (; sent < due; sent++) {
      const own = Buffer.from(packet);
      own.writeUInt16BE(sent & 0xffff, 0);
      sentAt.set(sent & 0xffff, performance.now());
      sockets[sent % SOCKETS].send(own, port, "127.0.0.1");
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  const endsAt = performance.now() + waitMs;
  while (sentAt.size > 0 && performance.now() < endsAt) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  for (const socket of sockets) {
    socket.close();
  }
  return { sent, answered, refused, longestMs };
}

// Given by the test that started the thread.
parentPort?.postMessage(await ask(workerData as AskingData));
