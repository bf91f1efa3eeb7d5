// Copied into a folder where Fairlead and a plugin are installed, and run there: what the plugin of fairlead.yaml reports.
import { createController } from "fairlead";
import { loadConfig, toControllerOptions } from "fairlead/config";
import { createApiServer, namespace, pod } from "fairlead/testing";

const server = await createApiServer();
server.objects.apply(namespace("shop"));
server.objects.apply(pod("shop/cart-1", { restarts: 4 }));
const configured = toControllerOptions(await loadConfig("fairlead.yaml"));
const controller = createController({ ...configured, cluster: { kubeconfig: { text: server.kubeconfig() } } });
await controller.start();
await server.requests.waitFor({ method: "POST", path: /\/events$/, status: 201 });
const plugins = controller.plugins().map(({ name, state, isolation }) => ({ name, state, isolation }));
const events = server.objects
  .list("v1", "Event")
  .map(({ reason, involvedObject }) => `${reason} ${involvedObject.namespace}/${involvedObject.name}`);
console.log(JSON.stringify({ plugins, events }));
await controller.stop();
await server.stop();
