import { parentPort, workerData } from "node:worker_threads";
import { NameIndex, type NameIndexHandle } from "./name-index.ts";

/** Reads names until it is told to end; says what it saw that cannot be. */
interface ReaderData {
  readonly handle: NameIndexHandle;
  /** First word: this thread is ready. Second: it must end. */
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Names below this number are always there. */
  readonly fixed: number;
}

const { handle, control, fixed }: ReaderData = workerData;
const index = NameIndex.attach(handle, 1);
const wrong: string[] = [];
let reads = 0;
Atomics.store(control, 0, 1);
Atomics.notify(control, 0);
while (Atomics.load(control, 1) === 0 && wrong.length < 10) {
  const key = Buffer.from(`\x05name-${reads % fixed}`);
  index.enter();
  const at = index.find(1, key, 0, key.length);
  if (at === 0) {
    wrong.push(`read ${reads}: not there`);
  } else {
    const digit = index.bytes[at];
    let end = at;
    while (index.bytes[end] === digit) {
      end++;
    }
    if (digit < 48 || digit > 57 || index.bytes[end] !== 0 || end - at < 10) {
      wrong.push(`read ${reads}: ${digit}, ${index.bytes[end]} after ${end - at}`);
    }
  }
  index.leave();
  reads++;
}
parentPort?.postMessage({ reads, wrong });
