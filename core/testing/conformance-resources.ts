const DEADLINE_MS = 5000;
/** What keeps a process alive, or is of a thread; files that are just being read do not count. */
const COUNTED = /Timeout|Immediate|Worker|MessagePort|TCP|UDP|Pipe|TLS|HTTP2|ChildProcess|FSEvent|StatWatcher|Signal/;

/** Number of timers, sockets, threads and the like of this process, by their kind. */
export function resourcesNow(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo()) {
    if (COUNTED.test(name)) {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return counts;
}

/** What there is more of than before, once it does not get less any more: "Timeout: 1 more". */
export async function resourcesLeft(before: ReadonlyMap<string, number>): Promise<readonly string[]> {
  const endAt = performance.now() + DEADLINE_MS;
  for (;;) {
    const left = [...resourcesNow()].flatMap(([name, count]) => {
      const more = count - (before.get(name) ?? 0);
      return more > 0 ? [`${name}: ${more} more`] : [];
    });
    if (left.length === 0 || performance.now() > endAt) {
      return left;
    }
    // A closed socket leaves the list some turns later. This timer has fired when the list is read.
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
