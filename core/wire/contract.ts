import type { RowBuilder } from "../store/row.ts";
import type { WireStatus } from "./status.ts";

/** How objects are written on the wire. */
export type WireFormat = "protobuf" | "json";

/** Receives what a watch sends, in order, on the thread that pushes. The row belongs to the decoder and is reused. */
export interface WatchSink {
  event(type: "ADDED" | "MODIFIED" | "DELETED", row: RowBuilder): void;
  bookmark(resourceVersion: string, initialEventsEnd: boolean): void;
  error(status: WireStatus): void;
}

/** Reads one watch stream. After a throw it must not be used again. */
export interface WatchDecoder {
  /**
   * Throws WIRE_BAD_FRAME, WIRE_FRAME_TOO_LARGE, WIRE_BAD_OBJECT, WIRE_WRONG_KIND, STORE_ROW_TOO_LARGE; and what the sink
   * throws. Everything before the bad event has been handed to the sink. The chunk is not kept.
   */
  push(chunk: Uint8Array): void;
  /** The stream ended. Throws WIRE_TRUNCATED inside an event. */
  end(): void;
  /** Bytes of an event that is not complete yet. */
  readonly pendingBytes: number;
}

/** Receives the items of a list page, while it arrives. The row belongs to the decoder and is reused. */
export interface ListSink {
  item(row: RowBuilder): void;
}

/** What a list page says about itself. */
export interface ListEnd {
  readonly resourceVersion: string;
  /** "" on the last page. */
  readonly continueToken: string;
  /** Objects after this page, where the server knows; else 0. */
  readonly remaining: number;
}

/** Reads one list page. After a throw it must not be used again. */
export interface ListDecoder {
  /** Throws as `WatchDecoder.push`. */
  push(chunk: Uint8Array): void;
  /** The response ended. Throws WIRE_TRUNCATED when the page is not complete. */
  end(): ListEnd;
}

/** Limits of a decoder. */
export interface DecoderLimits {
  /** Largest event or item. Default 32 MiB. */
  readonly maxFrameBytes?: number;
}
