/**
 * Where things are in the store's one piece of memory, counted in 32-bit words. An address is a word's number; 0 is "none".
 * Segment 0 holds what is below; all other segments are given out as records or as blocks of tables.
 */

/** Words of one segment: 256 KiB. */
export const SEGMENT_WORDS = 1 << 16;

/** Number of the last committed version; never 0. Stored last by a commit. */
export const VERSION = 1;
/** Goes up with every commit and every change of a kind's `synced`; sleeping readers wait on it. */
export const NOTIFY = 2;
/** Numbers of kinds that were ever given out: no need to look further. */
export const KIND_COUNT = 3;
/** Changes committed so far (wraps). Stored before the version. */
export const RING_HEAD = 4;
/** Changes written so far, committed or not: entries older than this minus RING_ENTRIES are gone. */
export const RING_WRITTEN = 5;
/** Address of the table from string id to text. */
export const DICTIONARY_IDS = 6;
/** Address of the table that finds a string's id by its hash. */
export const DICTIONARY_HASH = 7;
export const DICTIONARY_COUNT = 8;
/** Bytes of all strings. */
export const DICTIONARY_BYTES = 9;
/** Reader slots that were ever claimed: no need to look further. */
export const READER_HIGH = 10;
/** 1 once a writer was made. */
export const WRITER_TAKEN = 11;
/** For statistics: segments in use by records, by tables, free. */
export const RECORD_SEGMENTS = 12;
export const TABLE_SEGMENTS = 13;
export const FREE_SEGMENTS = 14;
/** Words of records that some reader may still see. */
export const LIVE_WORDS = 15;
/** Records that wait until no reader needs them. */
export const PENDING_RECORDS = 16;
/** 1 once the store's own reader went over to this memory from the one before. */
export const SWITCHED = 17;
/** Goes up whenever a kind is shown, hidden or forgotten: after the kind's own words, before the version of it. */
export const KINDS_CHANGED = 18;

/** Readers: each has a cache line of its own. */
export const READERS = 64;
export const READER_WORDS = 16;
export const MAX_READERS = 64;
/** 0 free, 1 claimed. */
export const READER_STATE = 0;
/** Version that the reader reads now, 0 when it does not read. */
export const READER_EPOCH = 1;
/** State of the hold: see the HOLD_ numbers. */
export const READER_HOLD = 2;
/** Version that the reader's subscribers were last shown. */
export const READER_HELD = 3;

/** Nothing is held. */
export const HOLD_NONE = 0;
/** All that is visible at the held version stays. */
export const HOLD_ALL = 1;
/** The reader reads the held version now; the writer must not take it away. */
export const HOLD_BUSY = 2;
/** The reader fell behind: only the last states of objects that were deleted since stay. */
export const HOLD_DELETED = 3;

export const MAX_KINDS = 256;
export const KINDS = READERS + MAX_READERS * READER_WORDS;
export const KIND_WORDS = 96;
/** Address of the plan as JSON text (byte length, then bytes); 0 for a kind that was declared with the store. */
export const KIND_PLAN = 0;
/** Addresses of the kind's tables; 0 until the writer opened it. */
export const KIND_SLOTS = 1;
export const KIND_PRIMARY = 2;
export const KIND_UIDS = 3;
export const KIND_VALUES = 4;
/** Highest slot ever used. */
export const KIND_HIGH = 5;
/** Two pairs (version from which it holds, number of objects); a commit writes the older one. */
export const KIND_COUNTS = 6;
export const KIND_SYNCED = 10;
export const KIND_PHASE = 11;
/** Even while the text is stable. */
export const KIND_VERSION_SEQUENCE = 12;
export const KIND_VERSION_SIZE = 13;
export const KIND_VERSION_TEXT = 16;
export const KIND_VERSION_BYTES = 96;
/** Version from which readers see the kind; 0 = they do not: the number is free, or the kind is being filled. */
export const KIND_FROM = 40;
/** Version from which readers do not see it any more; 0 = they go on. */
export const KIND_UNTIL = 41;
/** A number of its own for each kind that was ever opened under the same kind number; 0 for one that was declared. */
export const KIND_SERIAL = 42;
/** Counters and figures, as floats. Floats begin at even words. */
export const KIND_FLOATS = 48;
/** In the place of a kind's number: a kind without objects. Its words, behind those of all kinds, stay 0. */
export const NO_KIND = MAX_KINDS + 1;

/** Which float of a kind holds what. */
export const FLOATS = {
  currentAtMs: 0,
  objects: 1,
  events: 2,
  bytes: 3,
  lists: 4,
  watches: 5,
  reconnects: 6,
  relists: 7,
  errors: 8,
  refused: 9,
  drift: 10,
  audits: 11,
  brokenFrames: 12,
  liveWords: 13,
  deleted: 14,
  tableWords: 15,
} as const;

/** The change ring: pairs (kind and slot, version). */
export const RING = 32_768;
export const RING_ENTRIES = 8_192;

/** Bits of a slot's number; kinds take the bits above. */
export const SLOT_BITS = 23;
export const SLOT_MASK = (1 << SLOT_BITS) - 1;

/** A record: three words of the store's own, then the row. */
export const RECORD_SLOT = 0;
export const RECORD_VERSION = 1;
/** Address of the object's older record; minus the slot of an earlier, deleted object with the same key; 0. */
export const RECORD_PREVIOUS = 2;
export const RECORD_HEADER = 3;

/** Flags in the row's flag word that only the store sets. */
export const FLAG_DELETED = 1 << 8;
/** The record before this one had other indexed values. */
export const FLAG_REINDEXED = 1 << 9;
/** The kind's number begins at this bit of the flag word. */
export const FLAG_KIND_SHIFT = 16;

/** Slot table: its capacity, one spare word, then (record, version in which the object was born) from slot 1 on. */
export const SLOT_WORDS = 2;

/** Posting list: capacity, entries, entries that are not valid any more, then slots. */
export const LIST_CAPACITY = 0;
export const LIST_COUNT = 1;
export const LIST_STALE = 2;
export const LIST_HEADER = 3;

/** True when version `a` is after `b`. Versions wrap. */
export function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** Address of a reader's words. */
export function readerAt(id: number): number {
  return READERS + id * READER_WORDS;
}

/** Address of a kind's words. */
export function kindAt(number: number): number {
  return KINDS + number * KIND_WORDS;
}
