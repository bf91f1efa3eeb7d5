import type { Attachment } from "./attachment.ts";
import {
  DICTIONARY_BYTES,
  DICTIONARY_COUNT,
  FLOATS,
  FREE_SEGMENTS,
  KIND_FLOATS,
  kindAt,
  LIVE_WORDS,
  MAX_READERS,
  PENDING_RECORDS,
  READER_STATE,
  RECORD_SEGMENTS,
  readerAt,
  SEGMENT_WORDS,
  TABLE_SEGMENTS,
  VERSION,
} from "./layout.ts";
import type { KindStats, StoreStats } from "./reader.ts";

/** What the memory of a store takes now. */
export function statsOf({ kinds, snapshot }: Attachment, memories: StoreStats["memories"]): StoreStats {
  const { words, memory } = snapshot;
  let readers = 0;
  for (let id = 0; id < MAX_READERS; id++) {
    readers += words[readerAt(id) + READER_STATE];
  }
  return {
    version: Atomics.load(words, VERSION),
    kinds: Object.fromEntries([...kinds].map(([name, { number }]) => [name, kindStats(memory.floats, number)])),
    segments: {
      records: words[RECORD_SEGMENTS],
      tables: words[TABLE_SEGMENTS],
      free: words[FREE_SEGMENTS],
      bytes: (words[RECORD_SEGMENTS] + words[TABLE_SEGMENTS]) * SEGMENT_WORDS * 4,
    },
    liveBytes: words[LIVE_WORDS] * 4,
    pendingRecords: words[PENDING_RECORDS],
    dictionary: { strings: words[DICTIONARY_COUNT], bytes: words[DICTIONARY_BYTES] },
    readers,
    memories,
  };
}

function kindStats(floats: Float64Array, number: number): KindStats {
  const at = (kindAt(number) + KIND_FLOATS) / 2;
  return {
    objects: floats[at + FLOATS.objects],
    bytes: floats[at + FLOATS.liveWords] * 4,
    indexBytes: floats[at + FLOATS.tableWords] * 4,
    deleted: floats[at + FLOATS.deleted],
  };
}
