import type { WatchedLeadership } from "../election/leadership.ts";
import type { ConnectOptions } from "../kube/http-transport.ts";

/**
 * How to connect for writes that only a leader may send. Node's HTTP/2 writes at the end of a turn of the loop: a process that is
 * paused in between would write when it wakes up, whatever was checked before. HTTP/1.1 is written right after the check.
 */
export function writesOf(leadership: WatchedLeadership | undefined): ConnectOptions {
  return leadership === undefined ? {} : { protocols: ["http/1.1"], idleConnections: 16 };
}
