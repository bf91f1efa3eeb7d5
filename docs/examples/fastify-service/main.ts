import { createService } from "./service.ts";

const { app, cluster } = createService({ logger: true });

// Signals belong to the program: Fairlead installs none.
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => void app.close());
}

await app.listen({ host: process.env.HOST ?? "127.0.0.1", port: Number(process.env.PORT ?? 8080) });
try {
  // Requests are answered meanwhile; /readyz says 503 until the caches are complete.
  await cluster.start();
  app.log.info({ kinds: cluster.store.kinds }, "cluster followed");
} catch (error) {
  app.log.error({ err: error }, "cluster cannot be followed");
  process.exitCode = 1;
  await app.close();
}
