/** Threads that can read one index. */
export const MAX_READERS = 64;

// The header: numbers of words.
/** Says that the memory is an index. */
export const MAGIC = 0;
/** Start of the hash. */
export const SEED = 1;
/** Buckets in use; also tells how far the table has been split. */
export const BUCKETS = 2;
/** Goes up with each commit. */
export const EPOCH = 4;
/** Names there are. */
export const NAMES = 5;
/** FLAG_SYNCED, FLAG_FULL. */
export const FLAGS = 6;
/** Time of the last change, Unix seconds. */
export const SERIAL = 7;
/** Names that found no room so far. */
export const REFUSED = 8;
/** Names written and removed so far. */
export const WRITES = 9;
/** Buckets that there is room for. */
export const MAX_BUCKETS = 10;
/** Bytes taken for records. */
export const USED = 11;
/** Free bytes among them. */
export const FREE = 12;
/** 1 as soon as there has been a reader in another thread. */
export const ATTACHED = 13;
/** 1 while a bucket is being split. */
export const SPLITTING = 14;
/** First of the readers' words: the epoch in which each is reading, 0 when it is not. */
export const READERS = 16;
/** Words of the header; the table follows, then the records. */
export const HEADER_WORDS: number = READERS + MAX_READERS;

/** Value of MAGIC. */
export const MAGIC_WORD = 0x464c_4e49;
/** All names have been written once. */
export const FLAG_SYNCED = 1;
/** A name found no room. */
export const FLAG_FULL = 2;

// A record: next (bytes from the start, 0 = last), hash, size, value offset; then tag, length of the key, key; value.
/** Word of the hash in a record. */
export const RECORD_HASH = 1;
/** Word of the size in bytes. */
export const RECORD_SIZE = 2;
/** Word of the offset of the value from the start of the memory, bytes. */
export const RECORD_VALUE = 3;
/** Byte of a record at which the tag is. */
export const RECORD_KEY = 16;
/** Bytes of tag and length. */
export const KEY_HEADER = 2;
