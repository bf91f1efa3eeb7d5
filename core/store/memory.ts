import { FairleadError } from "../errors.ts";
import { SEGMENT_WORDS } from "./layout.ts";

/** Views of the store's one piece of memory. Every thread has its own views of the same bytes. */
export class Memory {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly floats: Float64Array;
  /** For decoding text. */
  readonly text: Buffer;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.floats = new Float64Array(buffer);
    this.text = Buffer.from(buffer);
  }

  get segments(): number {
    return this.words.length / SEGMENT_WORDS;
  }
}

const MIB = 1024 * 1024;
const SEGMENT_BYTES = SEGMENT_WORDS * 4;
const MAX_BYTES = 2 ** 32 - SEGMENT_BYTES;

/**
 * Reserves memory for `maxBytes` of records, and for tables and records that wait for readers. A page costs nothing until
 * it is written to. Throws STORE_BAD_OPTION, STORE_NO_MEMORY.
 */
export function reserveMemory(maxBytes: number): SharedArrayBuffer {
  if (!Number.isSafeInteger(maxBytes) || maxBytes < SEGMENT_BYTES) {
    throw new FairleadError(
      "STORE_BAD_OPTION",
      `maxBytes is ${maxBytes}; it must be a whole number from ${SEGMENT_BYTES}`,
    );
  }
  const wanted = maxBytes * 2 + 64 * MIB;
  if (wanted > MAX_BYTES) {
    throw new FairleadError(
      "STORE_BAD_OPTION",
      `maxBytes is ${maxBytes}; a store cannot have more than ${Math.floor((MAX_BYTES - 64 * MIB) / 2)}`,
    );
  }
  try {
    return new SharedArrayBuffer(Math.ceil(wanted / SEGMENT_BYTES) * SEGMENT_BYTES);
  } catch (cause) {
    throw new FairleadError(
      "STORE_NO_MEMORY",
      `${wanted} bytes of address space could not be reserved; lower maxBytes or raise the limit on virtual memory`,
      { cause },
    );
  }
}
