import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeCluster } from "fairlead/testing";
import type { WebAppObject } from "./resource.ts";
import { webapps } from "./webapp.ts";

/** WEBAPP_KUBECONFIG runs the same tests against the API server of that file. */
const { WEBAPP_KUBECONFIG: kubeconfig } = process.env;
const where = { cluster: kubeconfig === undefined ? undefined : { kubeconfig } };

const shop = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } };
const cart = {
  apiVersion: "apps.example.org/v1",
  kind: "WebApp",
  metadata: { name: "cart", namespace: "shop" },
  spec: { image: "example.org/cart:1", replicas: 2 },
};
const named = (apiVersion: string, kind: string) => ({ apiVersion, kind, namespace: "shop", name: "cart" });
interface Owned {
  readonly metadata: { readonly ownerReferences: readonly { readonly kind: string; readonly name: string }[] };
}

interface Service {
  readonly spec: { readonly ports: readonly { readonly targetPort: unknown }[] };
}

const app = named("apps.example.org/v1", "WebApp");
const deployment = named("apps/v1", "Deployment");
const service = named("v1", "Service");
const ingress = named("networking.k8s.io/v1", "Ingress");

test("a WebApp gets a Deployment and a Service", async () => {
  await using cluster = await fakeCluster({ ...where, controllers: [webapps()], objects: [shop, cart] });
  await cluster.eventually(async () => {
    const made = await cluster.get<Owned>(deployment);
    assert.deepEqual(
      made?.metadata.ownerReferences.map(({ kind, name }) => `${kind} ${name}`),
      ["WebApp cart"],
    );
    assert.equal((await cluster.get(service))?.kind, "Service");
    assert.equal(await cluster.get(ingress), undefined);
  });
});

test("a deleted or edited child comes back", async () => {
  await using cluster = await fakeCluster({ ...where, controllers: [webapps()], objects: [shop, cart] });
  await cluster.delete(deployment);
  await cluster.patch(service, { spec: { ports: [{ name: "http", port: 80, targetPort: 9999 }] } });
  await cluster.eventually(async () => {
    assert.equal((await cluster.get(deployment))?.kind, "Deployment");
    const made = await cluster.get<Service>(service);
    assert.deepEqual(
      made?.spec.ports.map(({ targetPort }) => targetPort),
      ["http"],
    );
  });
});

test("the status tells whether it is available, and where it is", async () => {
  await using cluster = await fakeCluster({ controllers: [webapps()], objects: [shop, cart] });
  const status = (await cluster.get<WebAppObject>(app))?.status;
  assert.deepEqual([status?.readyReplicas, status?.url, status?.observedGeneration], [2, "http://cart.shop.svc", 1]);
  assert.deepEqual(
    status?.conditions?.map((one) => `${one.type} ${one.status}`),
    ["Available True", "RolledOut True"],
  );
});

test("no pod is ready, and the status says so", async () => {
  await using cluster = await fakeCluster({ controllers: [webapps()], objects: [shop, cart], deployments: "stuck" });
  const status = (await cluster.get<WebAppObject>(app))?.status;
  assert.deepEqual(
    status?.conditions?.map((one) => [one.type, one.status, one.reason]),
    [
      ["Available", "False", "NoPodsReady"],
      ["RolledOut", "True", "Complete"],
    ],
  );
});

test("an Ingress comes with a host and goes without one; one of somebody else stays", async () => {
  const withHost = { ...cart, spec: { ...cart.spec, host: "cart.example.org" } };
  const foreign = {
    ...ingress,
    metadata: { name: "other", namespace: "shop" },
    spec: { defaultBackend: { service: { name: "x", port: { number: 1 } } } },
  };
  const other = { ...cart, metadata: { name: "other", namespace: "shop" } };
  await using cluster = await fakeCluster({
    ...where,
    controllers: [webapps()],
    objects: [shop, withHost, foreign, other],
  });
  await cluster.eventually(async () => assert.equal((await cluster.get(ingress))?.kind, "Ingress"));
  await cluster.patch(app, { spec: { host: null } });
  await cluster.eventually(async () => assert.equal(await cluster.get(ingress), undefined));
  assert.equal((await cluster.get({ ...ingress, name: "other" }))?.kind, "Ingress");
});

test("it is entered in the directory, and taken out before it goes", async () => {
  const entries = new Map<string, string>();
  const directory = {
    enter: async (key: string, url: string) => void entries.set(key, url),
    remove: async (key: string) => void entries.delete(key),
  };
  await using cluster = await fakeCluster({ controllers: [webapps(directory)], objects: [shop, cart] });
  assert.deepEqual([...entries], [["shop/cart", "http://cart.shop.svc"]]);
  assert.ok((await cluster.events()).some(({ reason, about }) => reason === "Announced" && about === "shop/cart"));
  await cluster.delete(app);
  assert.deepEqual([...entries], []);
  assert.equal(await cluster.get(app), undefined);
  assert.equal(await cluster.get(deployment), undefined);
});

test("a directory that fails holds the WebApp until it answers again", async () => {
  let isDown = false;
  const directory = {
    enter: async () => {},
    remove: async () => {
      if (isDown) {
        throw new Error("the directory does not answer");
      }
    },
  };
  await using cluster = await fakeCluster({
    controllers: [webapps(directory)],
    objects: [shop, cart],
    clock: Date.UTC(2026, 0, 1),
  });
  isDown = true;
  await cluster.delete(app);
  assert.equal((await cluster.get(app))?.kind, "WebApp");
  assert.equal(cluster.waiting(), 1);
  isDown = false;
  await cluster.advance("1h");
  assert.equal(await cluster.get(app), undefined);
});

test("nothing is written where nothing differs, also after a restart", async () => {
  await using cluster = await fakeCluster({ controllers: [webapps()], objects: [shop, cart] });
  cluster.forget();
  await cluster.reconcile("shop/cart");
  await cluster.kill();
  await cluster.start();
  assert.deepEqual(cluster.requests(), []);
});

test("a conflict and a burst of errors are overcome", async () => {
  await using cluster = await fakeCluster({ controllers: [webapps()], objects: [shop], clock: Date.UTC(2026, 0, 1) });
  const { faults } = cluster.server;
  faults.add({ match: { verb: "patch", nth: 2, times: 1 }, fault: { kind: "status", code: 409, reason: "Conflict" } });
  faults.add({ match: { verb: "patch", nth: 4, times: 3 }, fault: { kind: "status", code: 500 } });
  await cluster.apply(cart);
  await cluster.advance("1m");
  assert.equal((await cluster.get<WebAppObject>(app))?.status?.readyReplicas, 2);
});

test("an object that the schema does not allow is refused by the API server", async () => {
  await using cluster = await fakeCluster({ ...where, controllers: [webapps()], objects: [shop] });
  const bad = (spec: object) => ({ ...cart, spec: { ...cart.spec, ...spec } });
  await assert.rejects(cluster.apply(bad({ replicas: 51 })), { code: "KUBE_INVALID" });
  await assert.rejects(cluster.apply(bad({ path: "no-slash" })), { code: "KUBE_INVALID" });
});
