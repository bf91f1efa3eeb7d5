/** Words that a supervised thread and its supervisor share. */
export const THREAD_WORDS = 4;
/** Counted up by the thread while its event loop turns. */
export const HEARTBEAT = 0;
/** Counted up by the supervisor to have the thread's garbage collected. */
export const COLLECT_ASKED = 1;
/** The value of `COLLECT_ASKED` that was done last. */
export const COLLECT_DONE = 2;

/** How often the thread shows that it lives, milliseconds. */
export const HEARTBEAT_MS = 250;
