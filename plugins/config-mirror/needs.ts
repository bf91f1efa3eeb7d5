import type { KindsOf } from "../../core/api/index.ts";

/** Names and labels of all ConfigMaps and namespaces: contents are read from the API server where they matter. */
export const needs = {
  configmaps: ["labels"],
  namespaces: ["phase", "labels"],
} as const;

/** The kinds behind them. */
export type KindsOfNeeds = KindsOf<typeof needs>;
