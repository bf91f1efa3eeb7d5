import { enumOf, integer, microTime, name, text, time } from "./field.ts";
import { defineKind } from "./kind.ts";

/** Events as `kubectl describe` shows them (v1). */
export const events = defineKind({
  apiVersion: "v1",
  kind: "Event",
  plural: "events",
  name: "events",
  namespaced: true,
  fields: {
    type: enumOf("type", "Normal", "Warning"),
    reason: name("reason"),
    message: text("message"),
    action: name("action"),
    count: integer("count"),
    firstTimestamp: time("firstTimestamp"),
    lastTimestamp: time("lastTimestamp"),
    eventTime: microTime("eventTime"),
    seriesCount: integer("series.count"),
    lastObservedTime: microTime("series.lastObservedTime"),
    reportingController: name("reportingComponent"),
    reportingInstance: name("reportingInstance"),
    sourceComponent: name("source.component"),
    sourceHost: name("source.host"),
    involvedKind: name("involvedObject.kind"),
    involvedApiVersion: name("involvedObject.apiVersion"),
    involvedNamespace: name("involvedObject.namespace"),
    involvedName: text("involvedObject.name"),
    involvedUid: text("involvedObject.uid"),
    involvedFieldPath: text("involvedObject.fieldPath"),
  },
  indexes: { involvedUid: true },
});

/** The same events in the shape of events.k8s.io/v1. */
export const eventsV1 = defineKind({
  apiVersion: "events.k8s.io/v1",
  kind: "Event",
  plural: "events",
  name: "events.events.k8s.io",
  namespaced: true,
  fields: {
    type: enumOf("type", "Normal", "Warning"),
    reason: name("reason"),
    note: text("note"),
    action: name("action"),
    eventTime: microTime("eventTime"),
    seriesCount: integer("series.count"),
    lastObservedTime: microTime("series.lastObservedTime"),
    reportingController: name("reportingController"),
    reportingInstance: name("reportingInstance"),
    deprecatedCount: integer("deprecatedCount"),
    deprecatedFirstTimestamp: time("deprecatedFirstTimestamp"),
    deprecatedLastTimestamp: time("deprecatedLastTimestamp"),
    regardingKind: name("regarding.kind"),
    regardingApiVersion: name("regarding.apiVersion"),
    regardingNamespace: name("regarding.namespace"),
    regardingName: text("regarding.name"),
    regardingUid: text("regarding.uid"),
  },
  indexes: { regardingUid: true },
});
