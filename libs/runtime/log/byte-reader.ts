/** Takes fields from a buffer in order, big endian; a field that is not wholly there throws RangeError, as Buffer does. */
export class ByteReader {
  private at = 0;

  constructor(private readonly buffer: Buffer) {}

  get remainingBytes(): number {
    return this.buffer.length - this.at;
  }

  u8(): number {
    const value = this.buffer.readUInt8(this.at);
    this.at += 1;
    return value;
  }

  u32(): number {
    const value = this.buffer.readUInt32BE(this.at);
    this.at += 4;
    return value;
  }

  i32(): number {
    const value = this.buffer.readInt32BE(this.at);
    this.at += 4;
    return value;
  }

  i64(): number {
    const value = Number(this.buffer.readBigInt64BE(this.at));
    this.at += 8;
    return value;
  }

  /** A view of the next bytes. */
  bytes(sizeBytes: number): Buffer {
    if (sizeBytes > this.remainingBytes) throw new RangeError(`${sizeBytes} bytes asked for, ${this.remainingBytes} left`);
    const value = this.buffer.subarray(this.at, this.at + sizeBytes);
    this.at += sizeBytes;
    return value;
  }

  text(): string {
    return this.bytes(this.u32()).toString('utf8');
  }
}
