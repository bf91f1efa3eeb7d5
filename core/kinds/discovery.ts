import { enumOf, name, optionalBool, optionalInteger, records, text, texts } from "./field.ts";
import { defineKind } from "./kind.ts";

/** EndpointSlices: which addresses are behind a Service. The Service's name is the label `kubernetes.io/service-name`. */
export const endpointSlices = defineKind({
  apiVersion: "discovery.k8s.io/v1",
  kind: "EndpointSlice",
  plural: "endpointslices",
  name: "endpointslices",
  namespaced: true,
  fields: {
    addressType: enumOf("addressType", "IPv4", "IPv6", "FQDN"),
    endpoints: records("endpoints", {
      addresses: texts("addresses"),
      ready: optionalBool("conditions.ready"),
      serving: optionalBool("conditions.serving"),
      terminating: optionalBool("conditions.terminating"),
      hostname: text("hostname"),
      nodeName: name("nodeName"),
      zone: name("zone"),
      targetKind: name("targetRef.kind"),
      targetNamespace: name("targetRef.namespace"),
      targetName: text("targetRef.name"),
      targetUid: text("targetRef.uid"),
    }),
    ports: records("ports", {
      name: name("name"),
      protocol: name("protocol"),
      port: optionalInteger("port"),
      appProtocol: name("appProtocol"),
    }),
  },
  indexes: { labels: true, owner: true },
});
