import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";

/** One end of a channel. Plain data for another thread: post it with its `port` in the transfer list. */
export interface ChannelEnd {
  readonly port: MessagePort;
  /** Two words for each end: what was posted to it, then what it has read. */
  readonly bells: SharedArrayBuffer;
  readonly side: 0 | 1;
}

/** Two ends that reach each other. */
export function openChannel(): readonly [ChannelEnd, ChannelEnd] {
  const { port1, port2 } = new MessageChannel();
  const bells = new SharedArrayBuffer(16);
  return [
    { port: port1, bells, side: 0 },
    { port: port2, bells, side: 1 },
  ];
}

/** What a port tells its owner. */
export interface PortListener {
  onMessage(message: unknown): void;
  /** So many messages were read without the port ever being empty. Called again for each further such number. */
  onFlood?(): void;
}

/** The words of what was read come after those of what was posted. */
const READ = 2;
/** Messages that are read before other work of the thread gets its turn. */
const MAX_PER_TURN = 200;
/** The same in time, milliseconds: messages can be large. */
const MAX_TURN_MS = 2;
/** Looked at every so many messages. */
const CLOCK_EVERY = 8;
/** Messages without a pause that are called a flood. */
const FLOOD = 100_000;
const MAX_LAST_WORDS = 2000;
/** Longest sleep, in case that a wake-up is lost. */
const SLEEP_MS = 1000;

/**
 * A message port that is read by pull: a few messages a turn of the event loop, so that a thread which posts without end
 * cannot keep another from its own work, as `message` events would. Does not keep its thread alive.
 */
export class PulledPort {
  readonly #port: MessagePort;
  readonly #bells: Int32Array;
  readonly #own: 0 | 1;
  readonly #listener: PortListener;
  #seen = 0;
  #streak = 0;
  #unreadable = 0;
  #isClosed = false;

  constructor({ port, bells, side }: ChannelEnd, listener: PortListener) {
    this.#port = port;
    this.#bells = new Int32Array(bells);
    this.#own = side;
    this.#listener = listener;
    // What was posted before is read in a later turn: the owner gets to finish what it is making.
    setImmediate(() => this.#read());
  }

  /** Messages that could not be read. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** Messages that were sent and not yet read. */
  get backlog(): number {
    const other = 1 - this.#own;
    return (Atomics.load(this.#bells, other) - Atomics.load(this.#bells, READ + other)) | 0;
  }

  /** Sends. Throws `DataCloneError` for what cannot be copied. Nothing happens when the port is closed. */
  post(message: unknown, transfer?: readonly (ArrayBuffer | MessagePort)[]): void {
    if (this.#isClosed) {
      return;
    }
    // A list of the caller's must not be changed by it, but the type wants a mutable one.
    this.#port.postMessage(message, transfer === undefined ? [] : [...transfer]);
    const other = 1 - this.#own;
    Atomics.add(this.#bells, other, 1);
    Atomics.notify(this.#bells, other);
  }

  /** Reads what is there now, at once: the last words of a thread that is gone. Of a flood only a part. */
  drain(): void {
    for (let count = 0; count < MAX_LAST_WORDS && !this.#isClosed && this.#next(); count++) {
      // `#next` hands it on.
    }
  }

  /** Nothing is read any more; what waits is dropped. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#port.close();
      // Ends the wait that is outstanding.
      Atomics.notify(this.#bells, this.#own);
    }
  }

  #read(): void {
    if (this.#isClosed) {
      return;
    }
    // Before the port is looked at, so that what is posted meanwhile is seen by the next wait.
    this.#seen = Atomics.load(this.#bells, this.#own);
    const endsAt = performance.now() + MAX_TURN_MS;
    let count = 0;
    for (; count < MAX_PER_TURN; count++) {
      if (count % CLOCK_EVERY === CLOCK_EVERY - 1 && performance.now() > endsAt) {
        break;
      }
      if (!this.#next()) {
        this.#streak = 0;
        this.#wait();
        return;
      }
      if (this.#isClosed) {
        return;
      }
    }
    const before = this.#streak;
    this.#streak += count;
    if (Math.floor(before / FLOOD) !== Math.floor(this.#streak / FLOOD)) {
      this.#listener.onFlood?.();
    }
    setImmediate(() => this.#read());
  }

  /** False: there is nothing to read. */
  #next(): boolean {
    let received: { readonly message: unknown } | undefined;
    try {
      received = receiveMessageOnPort(this.#port);
    } catch {
      this.#unreadable++;
      return true;
    }
    if (received === undefined) {
      return false;
    }
    Atomics.add(this.#bells, READ + this.#own, 1);
    this.#listener.onMessage(received.message);
    return true;
  }

  #wait(): void {
    const { value } = Atomics.waitAsync(this.#bells, this.#own, this.#seen, SLEEP_MS);
    if (typeof value === "string") {
      setImmediate(() => this.#read());
    } else {
      // The promise of waitAsync never rejects.
      void value.then(() => this.#read());
    }
  }
}
