const FIRST_CAPACITY_BYTES = 256;

/** Builds a buffer field by field, big endian; grows as needed. Integers up to 2^53 are written as int64. */
export class ByteWriter {
  private buffer = Buffer.allocUnsafe(FIRST_CAPACITY_BYTES);
  private end = 0;

  get sizeBytes(): number {
    return this.end;
  }

  u8(value: number): void {
    this.reserve(1);
    this.end = this.buffer.writeUInt8(value, this.end);
  }

  u32(value: number): void {
    this.reserve(4);
    this.end = this.buffer.writeUInt32BE(value, this.end);
  }

  i32(value: number): void {
    this.reserve(4);
    this.end = this.buffer.writeInt32BE(value, this.end);
  }

  i64(value: number): void {
    this.reserve(8);
    this.end = this.buffer.writeBigInt64BE(BigInt(value), this.end);
  }

  bytes(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
  }

  /** UTF-8 with its length before it. */
  text(value: string): void {
    const bytes = Buffer.from(value, 'utf8');
    this.u32(bytes.length);
    this.bytes(bytes);
  }

  finish(): Buffer {
    return this.buffer.subarray(0, this.end);
  }

  private reserve(sizeBytes: number): void {
    if (this.end + sizeBytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.end + sizeBytes));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}
