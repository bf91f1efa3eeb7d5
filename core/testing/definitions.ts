import type { AnyPlugin } from "../api/plugin.ts";
import { checkPlugin } from "../controller/plugin-check.ts";
import type { KindData, PluginDeclaration } from "../controller/plugin-declaration.ts";
import { declarationOf } from "../controller/plugin-load.ts";
import type { ObjectInput } from "./object.ts";

/**
 * CustomResourceDefinitions of the custom resources that a plugin needs, for `objects` of a harness. They take any content;
 * `status` is a subresource where the plugin's permissions name it. Your own definition tells more: use that where there is
 * one. Throws PLUGIN_BAD, PLUGIN_NEEDS.
 */
export function definitionsOf(plugin: AnyPlugin): ObjectInput[] {
  const { declaration } = declarationOf(checkPlugin(plugin, "the object given as a plugin"));
  return declaration.kinds.filter((kind) => !kind.builtIn).map((kind) => definitionOf(kind, declaration));
}

function definitionOf(kind: KindData, { permissions }: PluginDeclaration): ObjectInput {
  const [group = "", version = ""] = kind.apiVersion.split("/");
  const hasStatus = permissions.some(
    ({ apiGroups, resources }) => apiGroups.includes(group) && resources.includes(`${kind.plural}/status`),
  );
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${group}` },
    spec: {
      group,
      scope: kind.namespaced ? "Namespaced" : "Cluster",
      names: { kind: kind.kind, plural: kind.plural, singular: kind.kind.toLowerCase(), listKind: `${kind.kind}List` },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
          ...(hasStatus ? { subresources: { status: {} } } : {}),
        },
      ],
    },
  };
}
