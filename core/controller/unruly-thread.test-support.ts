import type { ThreadContext } from "../api/index.ts";

/** For tests: a thread of a plugin that does as it is told. */
// biome-ignore lint/style/noDefaultExport: the thread's function
export default ({
  data,
  store,
  log,
  metrics,
  post,
  onMessage,
  stop,
}: ThreadContext<{ readonly greeting: string }, unknown, unknown>): void => {
  const messages = metrics.counter("thread_messages_total", "Messages of the thread.");
  let changes = 0;
  post(data.greeting);
  store.changes({ name: "pods" } as never, () => {
    changes++;
    post(`changed ${changes}`);
  });
  stop.addEventListener("abort", () => log.info({}, "thread signal aborted"));
  onMessage((message) => {
    messages.inc();
    switch (message) {
      case "pods":
        post(
          store.read((view) =>
            view
              .kind("pods")
              .all()
              .map((pod) => pod.metadata.name),
          ),
        );
        return;
      case "services":
        try {
          post(store.read((view) => view.kind("services").size));
        } catch (error) {
          post(error instanceof Error && "code" in error ? error.code : "no code");
        }
        return;
      case "throw":
        throw new Error("thread told to throw");
      case "flood":
        for (let i = 0; i < 500_000; i++) {
          post(i);
        }
        return;
      default:
        post(["echo", message]);
    }
  });
};
