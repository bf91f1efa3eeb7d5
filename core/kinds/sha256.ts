/** SHA-256 of a text or its bytes. The module for it takes 4 MB and 8 ms to load: it is loaded when it is first used. Any thread. */
export function sha256(data: string | Uint8Array, encoding: "hex" | "base64url"): string {
  return process.getBuiltinModule("node:crypto").hash("sha256", data, encoding);
}
