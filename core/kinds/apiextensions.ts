import { bool, condition, enumOf, name, names, records, text } from "./field.ts";
import { defineKind } from "./kind.ts";
import { CONDITION } from "./parts.ts";

/** CustomResourceDefinitions, without their schemas. */
export const customResourceDefinitions = defineKind({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  name: "customresourcedefinitions",
  namespaced: false,
  fields: {
    group: name("spec.group"),
    scope: enumOf("spec.scope", "Namespaced", "Cluster"),
    kind: name("spec.names.kind"),
    listKind: name("spec.names.listKind"),
    plural: text("spec.names.plural"),
    singular: text("spec.names.singular"),
    shortNames: names("spec.names.shortNames"),
    categories: names("spec.names.categories"),
    versions: records("spec.versions", {
      name: name("name"),
      served: bool("served"),
      storage: bool("storage"),
      deprecated: bool("deprecated"),
    }),
    storedVersions: names("status.storedVersions"),
    conditions: records("status.conditions", CONDITION),
    established: condition("status.conditions", "Established"),
    namesAccepted: condition("status.conditions", "NamesAccepted"),
  },
  indexes: { group: true, labels: true },
});
