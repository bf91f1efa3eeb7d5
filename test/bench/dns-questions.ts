import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { seededRandom } from "../../core/testing/index.ts";
import type { ApiClient } from "../cluster/cluster.ts";

/** A service as far as questions need it. */
interface Service {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly clusterIP?: string; readonly ports?: readonly { name?: string; protocol?: string }[] };
}

/** Files of questions about the services of a cluster. */
export interface QuestionFiles {
  /** Addresses of services that have one. */
  readonly services: string;
  /** As a cluster asks: 40 % A, 20 % AAAA, 30 % names of the search path that do not exist, 5 % SRV, 5 % PTR. */
  readonly mix: string;
  /** A name that has an address. */
  readonly known: string;
}

const COUNT = 20_000;
const PAGE = 500;
const ZONE = "svc.cluster.local";

/** Writes them into a folder. */
export async function writeQuestions(client: ApiClient, folder: string): Promise<QuestionFiles> {
  const services = (await listServices(client)).filter(({ spec }) => /^\d/.test(spec.clusterIP ?? ""));
  const random = seededRandom(53);
  const any = (): Service => random.pick(services);
  const nameOf = ({ metadata: { name, namespace } }: Service): string => `${name}.${namespace}.${ZONE}`;
  const mixed = (): string => {
    const one = any();
    const share = random.next();
    if (share < 0.4) {
      return `${nameOf(one)} A`;
    }
    if (share < 0.6) {
      return `${nameOf(one)} AAAA`;
    }
    if (share < 0.9) {
      return `${nameOf(one)}.${any().metadata.namespace}.${ZONE} A`;
    }
    const port = one.spec.ports?.find(({ name }) => name !== undefined);
    if (share < 0.95 && port !== undefined) {
      return `_${port.name}._${(port.protocol ?? "TCP").toLowerCase()}.${nameOf(one)} SRV`;
    }
    return `${(one.spec.clusterIP ?? "").split(".").reverse().join(".")}.in-addr.arpa PTR`;
  };
  const write = async (name: string, line: () => string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, `${Array.from({ length: COUNT }, line).join("\n")}\n`);
    return path;
  };
  return {
    services: await write("services.txt", () => `${nameOf(any())} A`),
    mix: await write("mix.txt", mixed),
    known: nameOf(services[0]),
  };
}

async function listServices(client: ApiClient): Promise<readonly Service[]> {
  const services: Service[] = [];
  let token = "";
  do {
    const { body } = await client.send("GET", `/api/v1/services?limit=${PAGE}&continue=${encodeURIComponent(token)}`);
    services.push(...body.items);
    token = body.metadata.continue ?? "";
  } while (token !== "");
  return services;
}
