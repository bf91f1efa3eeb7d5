import { randomUUID } from "node:crypto";
import { hostname } from "node:os";

/** An identity that no other process has: the host and random letters. */
export function freshIdentity(): string {
  return `${hostname().slice(0, 200)}_${randomUUID()}`;
}
