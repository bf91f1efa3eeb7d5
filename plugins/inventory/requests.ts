import { z } from "zod";

const text = z.string().max(1024);
const paging = {
  limit: z.int().min(1).max(5000).optional().describe("Items of a page. Default: the option pageSize."),
  after: text.optional().describe("`next` of the page before."),
};

/** What the handlers of the service take. */
export const Requests = {
  none: z.strictObject({}),
  workloads: z.strictObject({
    namespace: text.optional(),
    kind: text.optional(),
    text: text.optional().describe("Part of the name."),
    ...paging,
  }),
  workload: z.union([z.strictObject({ uid: text }), z.strictObject({ namespace: text, kind: text, name: text })]),
  pods: z.union([
    z.strictObject({ uid: text, ...paging }),
    z.strictObject({ namespace: text, kind: text, name: text, ...paging }),
    z.strictObject({ node: text, ...paging }),
  ]),
  pod: z.strictObject({ namespace: text, name: text }),
  places: z.strictObject({ text: text.optional().describe("Part of the name."), ...paging }),
  node: z.strictObject({ name: text }),
  services: z.strictObject({ namespace: text.optional(), text: text.optional(), ...paging }),
  service: z.strictObject({ namespace: text, name: text }),
} as const;

/** Checks what another plugin asked. Throws an error with the code INVENTORY_BAD_REQUEST. */
export function checked<Schema extends z.ZodType>(handler: string, schema: Schema, given: unknown): z.output<Schema> {
  const result = schema.safeParse(given ?? {});
  if (result.success) {
    return result.data;
  }
  const issues = result.error.issues.map((issue) => `${issue.path.join(".") || "the request"}: ${issue.message}`);
  throw Object.assign(new Error(`inventory.${handler} was asked wrongly: ${issues.join("; ")}`), {
    code: "INVENTORY_BAD_REQUEST",
  });
}
