import type { ThreadContext } from "../../core/api/index.ts";
import serve from "./server.ts";
import type { FromServer, ServerData, ToServer } from "./server-messages.ts";
import type { zoneNeeds } from "./zone-needs.ts";

type Context = ThreadContext<ServerData, ToServer, FromServer, typeof zoneNeeds>;

/** The server's thread, which a test can bring down: by a message that the server itself does not know. */
// biome-ignore lint/style/noDefaultExport: a thread's module has one
export default async function crashing(context: Context): Promise<void> {
  await serve({
    ...context,
    onMessage: (listener) =>
      context.onMessage((message) => {
        if ((message as { readonly kind: string }).kind === "crash") {
          setImmediate(() => {
            throw new Error("brought down by the test");
          });
          return;
        }
        listener(message);
      }),
  });
}
