import { readFileSync } from "node:fs";
import type { ApiServer, ObjectInput } from "../../core/testing/index.ts";
import { dataFolder } from "./data-folder.ts";

interface ObjectList {
  readonly kind: string;
  readonly apiVersion: string;
  readonly items: readonly Pick<ObjectInput, "metadata">[];
}

/** The objects that the cases are about. */
export function fixtureObjects(): readonly ObjectInput[] {
  const { raw }: { raw: Readonly<Record<string, ObjectList>> } = JSON.parse(
    readFileSync(new URL("fixture.json", dataFolder), "utf8"),
  );
  return Object.values(raw).flatMap(({ kind, apiVersion, items }) =>
    items.map((item) => withAddresses({ ...item, apiVersion, kind: kind.replace(/List$/, "") })),
  );
}

/** Servers tell the addresses of a pod twice; the data does once. */
function withAddresses(object: ObjectInput): ObjectInput {
  const status: unknown = object.status;
  if (object.kind !== "Pod" || typeof status !== "object" || status === null || !("podIP" in status)) {
    return object;
  }
  return { ...object, status: { ...status, podIPs: [{ ip: status.podIP }] } };
}

/** Puts them on a server, past its checks: some are what only an older or a foreign server would hold. */
export function loadFixture(server: ApiServer): void {
  for (const object of fixtureObjects()) {
    server.objects.apply(object);
  }
}
