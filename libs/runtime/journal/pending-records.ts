import { RECORD_HEADER_BYTES, encodeRecordHeader } from '@streamline/core/journal/format';

/** Chunks up to this size are copied next to each other: fewer, larger pieces cost less than many small ones. */
const COPY_BYTES_MAX = 4096;
const SLAB_BYTES = 64 * 1024;

interface Entry {
  /** Header and payload. */
  readonly bytes: number;
  readonly parts: readonly Uint8Array[];
  /** The CRC-32C of the last part, where it is known. */
  readonly lastCrc: number | undefined;
}

export interface TakenRecords {
  readonly parts: readonly Uint8Array[];
  /** CRC-32C (from 0) of parts by their number, where they are known. */
  readonly crcs?: readonly (number | undefined)[];
  readonly bytes: number;
  readonly count: number;
}

/** Records that wait for the next group, in order. Small chunks are copied, large ones referenced. */
export class PendingRecords {
  private entries: Entry[] = [];
  private head = 0;
  private slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  private slabUsed = 0;
  private waitingBytes = 0;

  get bytes(): number {
    return this.waitingBytes;
  }

  get isEmpty(): boolean {
    return this.head === this.entries.length;
  }

  /** Bytes of the record that goes first, 0 where there is none. */
  get firstBytes(): number {
    return this.entries[this.head]?.bytes ?? 0;
  }

  /** Returns the bytes that the record adds to the positions; `lastCrc` is that of the last chunk. */
  add(type: number, chunks: readonly Uint8Array[], payloadBytes: number, lastCrc?: number): number {
    const parts: Uint8Array[] = [];
    this.reserve(RECORD_HEADER_BYTES);
    let from = this.slabUsed;
    encodeRecordHeader(this.slab, from, type, payloadBytes);
    this.slabUsed += RECORD_HEADER_BYTES;
    for (const chunk of chunks) {
      if (chunk.length === 0) continue;
      const isSmall = chunk.length <= COPY_BYTES_MAX;
      if (isSmall && this.slabUsed + chunk.length <= SLAB_BYTES) {
        this.slab.set(chunk, this.slabUsed);
        this.slabUsed += chunk.length;
        continue;
      }
      if (this.slabUsed > from) parts.push(this.slab.subarray(from, this.slabUsed));
      if (isSmall) {
        this.reserve(chunk.length);
        from = this.slabUsed;
        this.slab.set(chunk, from);
        this.slabUsed += chunk.length;
      } else {
        parts.push(chunk);
        from = this.slabUsed;
      }
    }
    if (this.slabUsed > from) parts.push(this.slab.subarray(from, this.slabUsed));
    const bytes = RECORD_HEADER_BYTES + payloadBytes;
    const isLastWhole = parts.at(-1) === chunks.at(-1);
    this.entries.push({ bytes, parts, lastCrc: isLastWhole ? lastCrc : undefined });
    this.waitingBytes += bytes;
    return bytes;
  }

  /** Takes as many whole records from the front as fit into `bytesMax`. */
  take(bytesMax: number): TakenRecords {
    const parts: Uint8Array[] = [];
    const crcs: (number | undefined)[] = [];
    let bytes = 0;
    let count = 0;
    for (let entry = this.entries[this.head]; entry !== undefined; entry = this.entries[this.head]) {
      if (bytes + entry.bytes > bytesMax) break;
      bytes += entry.bytes;
      count += 1;
      this.head += 1;
      for (const part of entry.parts) {
        const crc = part === entry.parts.at(-1) ? entry.lastCrc : undefined;
        if (crc !== undefined) crcs[parts.length] = crc;
        if (crc === undefined && crcs[parts.length - 1] === undefined) pushMerged(parts, part);
        else parts.push(part);
      }
    }
    this.waitingBytes -= bytes;
    if (this.isEmpty) {
      this.entries = [];
      this.head = 0;
    } else if (this.head > 1024 && this.head * 2 > this.entries.length) {
      this.entries = this.entries.slice(this.head);
      this.head = 0;
    }
    return { parts, crcs, bytes, count };
  }

  /** Slabs are never written twice: parts of the last one may still wait or be in flight. */
  private reserve(bytes: number): void {
    if (this.slabUsed + bytes <= SLAB_BYTES) return;
    this.slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.slabUsed = 0;
  }
}

/** Adds a part, or lengthens the last one where they lie next to each other. */
function pushMerged(parts: Uint8Array[], part: Uint8Array): void {
  const last = parts.at(-1);
  if (last !== undefined && last.buffer === part.buffer && last.byteOffset + last.length === part.byteOffset) {
    parts[parts.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + part.length);
  } else {
    parts.push(part);
  }
}
