const QUANTITY = /^([+-]?)(\d*)(?:\.(\d*))?(?:(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E)|[eE]([+-]?\d{1,3}))?$/;
const BINARY = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
/** Everything is counted in 10⁻²⁷, so that all that occurs is whole. */
const SCALE = 27;

/** True for two ways to write one amount: "1000m" and 1, "1Gi" and "1024Mi". False when one is no quantity. */
export function sameQuantity(a: unknown, b: unknown): boolean {
  const [first, second] = [amountOf(a), amountOf(b)];
  return first !== undefined && first === second;
}

function amountOf(value: unknown): bigint | undefined {
  if (typeof value !== "string" && typeof value !== "number") {
    return undefined;
  }
  const [, sign, whole = "", fraction = "", suffix, exponent] = QUANTITY.exec(String(value)) ?? [];
  if (sign === undefined || whole + fraction === "") {
    return undefined;
  }
  const power = SCALE - fraction.length + (exponent === undefined ? (DECIMAL[suffix ?? ""] ?? 0) : Number(exponent));
  if (power < 0) {
    return undefined;
  }
  const amount = BigInt(whole + fraction) * 10n ** BigInt(power) * 1024n ** BigInt(BINARY.indexOf(suffix ?? "") + 1);
  return sign === "-" ? -amount : amount;
}
