/** A list of web applications somewhere outside of the cluster: what is entered there must be taken out again. */
export interface Directory {
  /** Enters an application, or enters it anew. Asked twice it does no harm. */
  enter(key: string, url: string): Promise<void>;
  /** Takes an application out. One that is not there is no error. */
  remove(key: string): Promise<void>;
}

/** A directory that is reached by HTTP: `PUT <url>/<namespace>/<name>` and `DELETE`. */
export function httpDirectory(address: string): Directory {
  const call = async (method: "PUT" | "DELETE", key: string, body?: string): Promise<void> => {
    const answer = await fetch(`${address}/${key}`, { method, body, signal: AbortSignal.timeout(5_000) });
    await answer.arrayBuffer();
    if (!answer.ok && !(method === "DELETE" && answer.status === 404)) {
      throw new Error(`${method} ${address}/${key} answered ${answer.status}`);
    }
  };
  return { enter: (key, url) => call("PUT", key, url), remove: (key) => call("DELETE", key) };
}

/** For those who have none. */
export const noDirectory: Directory = { enter: async () => {}, remove: async () => {} };
