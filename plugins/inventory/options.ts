import { z } from "zod";

/** Options of the plugin, as written in YAML. */
export const InventoryOptions = z.strictObject({
  pageSize: z.int().min(1).max(5000).default(500).describe("Items of a page when a request names no limit."),
});
export type InventoryOptions = z.infer<typeof InventoryOptions>;
