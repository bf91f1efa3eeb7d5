import type { AnyPlugin } from "../api/index.ts";
import { conformance } from "./conformance.ts";
import { careless, FAULTY_PLUGINS, presumptuous } from "./faulty-plugins.test-support.ts";

// Run by conformance.test.ts in a process of its own, with the name of a plugin.
const plugins: Readonly<Record<string, AnyPlugin>> = { ...FAULTY_PLUGINS, presumptuous, careless };
conformance(plugins[process.argv[2]], { isolations: ["inline"] });
