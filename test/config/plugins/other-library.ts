import type { StandardSchemaV1 } from "@standard-schema/spec";
import type { Plugin } from "../../../core/api/index.ts";

const KNOWN = { color: "string", size: "number" };

/** A schema of no library: says what it finds as plainly as the standard allows, and offers a JSON Schema of its own. */
const schema: StandardSchemaV1<unknown, { color?: string; size?: number }> & {
  "~standard": { jsonSchema: { input(): unknown } };
} = {
  "~standard": {
    version: 1,
    vendor: "test",
    jsonSchema: {
      input: () => ({
        type: "object",
        properties: { color: { type: "string" }, size: { type: "number" } },
        additionalProperties: false,
      }),
    },
    validate(value) {
      const issues: StandardSchemaV1.Issue[] = Object.entries(Object(value)).flatMap(
        ([key, given]): StandardSchemaV1.Issue[] => {
          const wanted = Object.entries(KNOWN).find(([name]) => name === key)?.[1];
          if (wanted === undefined) {
            return [{ message: `Unexpected property ${key}`, path: [{ key }] }];
          }
          return typeof given === wanted ? [] : [{ message: `${key} should be a ${wanted}`, path: [key] }];
        },
      );
      return issues.length > 0 ? { issues } : { value: Object(value) };
    },
  },
};

/** A plugin whose schema is of another library than zod, for tests of configurations. */
export default { name: "other-library", apiVersion: "fairlead/v1", options: schema, setup() {} } satisfies Plugin<
  typeof schema
>;
