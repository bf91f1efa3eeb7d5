import { deployments, services } from "fairlead/kinds";
import { apply, condition, controller } from "fairlead/reconcile";
import { deploymentFor, ingresses, ingressFor, selectorFor, serviceFor } from "./children.ts";
import { type Directory, noDirectory } from "./directory.ts";
import { WebApp, type WebAppObject } from "./resource.ts";

/** Kept on every WebApp that the directory may know of. */
export const FINALIZER = "apps.example.org/directory";

/** The controller of WebApps. Asked again and again, it does only what is missing. */
export function webapps(directory: Directory = noDirectory) {
  return controller("webapp")
    .for(WebApp)
    .owns(deployments, { fields: ["replicas", "readyReplicas", "updatedReplicas"] })
    .owns(services)
    .owns(ingresses)
    .reconcile(async (app, { kube, events }) => {
      if (app.metadata.deletionTimestamp !== undefined) {
        // Children go by their owner references; what is outside of the cluster goes here, before the WebApp may.
        await directory.remove(app.key);
        await kube.removeFinalizer(app, FINALIZER);
        return;
      }
      await kube.ensureFinalizer(app, FINALIZER);

      await kube.apply(apply.owned(app, deploymentFor(app)), apply.owned(app, serviceFor(app)));
      const { host } = app.spec;
      if (host !== undefined) {
        await kube.apply(apply.owned(app, ingressFor(app, host)));
      } else if (isOwnedBy(app, kube.cached(ingresses, app.key))) {
        await kube.delete(ingresses, app.key);
      }

      const url = urlOf(app);
      if (app.status?.url !== url) {
        await directory.enter(app.key, url);
        events.normal(app, "Announced", `reached at ${url}`);
      }
      const { replicas = 0, readyReplicas = 0, updatedReplicas = 0 } = kube.cached(deployments, app.key)?.status ?? {};
      const isRolledOut = updatedReplicas === app.spec.replicas && replicas === updatedReplicas;
      return {
        status: {
          replicas,
          readyReplicas,
          selector: selectorFor(app),
          url,
          observedGeneration: app.metadata.generation,
          conditions: [
            condition("Available", readyReplicas > 0, readyReplicas > 0 ? "PodsReady" : "NoPodsReady"),
            condition("RolledOut", isRolledOut, isRolledOut ? "Complete" : "Rolling"),
          ],
        },
      };
    });
}

/** What has the same name may be somebody else's. */
function isOwnedBy(app: WebAppObject, child: { readonly metadata: Owned } | undefined): boolean {
  return child?.metadata.ownerReferences.some(({ uid }) => uid === app.metadata.uid) === true;
}

interface Owned {
  readonly ownerReferences: readonly { readonly uid: string | undefined }[];
}

function urlOf(app: WebAppObject): string {
  const { name, namespace } = app.metadata;
  return app.spec.host === undefined ? `http://${name}.${namespace}.svc` : `http://${app.spec.host}`;
}
