import type { Case } from "./case.ts";
import { customCases } from "./custom-cases.ts";
import { listCases } from "./list-cases.ts";
import { patchCases } from "./patch-cases.ts";
import { writeCases } from "./write-cases.ts";

/** All cases that the in-process server and the real one answer alike. */
export const cases: readonly Case[] = [...listCases, ...writeCases, ...patchCases, ...customCases];
