/** A power of two. */
const SLOTS = 1 << 14;
/** Longer names are rare and are read anew each time. */
const NAME_BYTES_MAX = 512;
const FNV_PRIME = 0x0100_0193;

interface Slot {
  readonly bytes: Buffer;
  readonly text: string;
}

/**
 * Reads names that come again and again: the same bytes give the same string, without making it anew. Bounded; names that
 * share a slot take turns in it.
 */
export class NameCache {
  private readonly slots = new Array<Slot | undefined>(SLOTS);

  constructor(private readonly encoding: 'utf8' | 'base64url') {}

  /** The text of the bytes from `start` to `end`. */
  read(buffer: Buffer, start: number, end: number): string {
    if (end - start > NAME_BYTES_MAX) return buffer.toString(this.encoding, start, end);
    const index = slotOf(buffer, start, end);
    const slot = this.slots[index];
    if (slot !== undefined && equals(slot.bytes, buffer, start, end)) return slot.text;
    const bytes = Buffer.from(buffer.subarray(start, end));
    const text = bytes.toString(this.encoding);
    this.slots[index] = { bytes, text };
    return text;
  }
}

function slotOf(buffer: Buffer, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at += 1) hash = Math.imul(hash ^ (buffer[at] ?? 0), FNV_PRIME);
  return (hash ^ (hash >>> 15)) & (SLOTS - 1);
}

function equals(known: Buffer, buffer: Buffer, start: number, end: number): boolean {
  const { length } = known;
  if (length !== end - start) return false;
  for (let index = 0; index < length; index += 1) if (known[index] !== buffer[start + index]) return false;
  return true;
}
