/**
 * An int64 of the wire as a number. Offsets and times beyond 2^53 do not exist here: they become the nearest number that
 * does, which is as far out of range for whoever looks.
 */
export function numberOf(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (value < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(value);
}

/** An empty text of a gRPC message as Kafka's null. */
export function nullIfEmpty(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

/** Bytes of the wire or of a gRPC message as the other side takes them; no copy. */
export function bytesOf(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
