import { UUID_BYTES } from './primitives';
import { WireError } from './wire-error';

export interface ReaderLimits {
  /** Elements of all arrays of one message, and its tagged fields, together. */
  readonly maxElements: number;
}

/** Far beyond any honest request; bounds the heap that a hostile frame of 100 MB, or of 4, can claim to some hundred MB. */
export const DEFAULT_LIMITS: ReaderLimits = { maxElements: 1_000_000 };

/**
 * Of a request: some broker code runs for each element, in one turn of the event loop, and 10 MB may hold millions. Far more
 * than a node has partitions.
 */
export const REQUEST_LIMITS: ReaderLimits = { maxElements: 100_000 };

const MAX_STRING_BYTES = 0x7fff;

/**
 * A cursor over one frame. Every read checks the frame's end first; nothing is allocated for a length that the rest of the
 * frame cannot hold. Throws `WireError` and nothing else. After an error the cursor must not be used again.
 */
export class Reader {
  readonly buf: Buffer;
  readonly view: DataView;
  /** The next byte to read, counted from the start of `buf`. */
  pos: number;
  /** One past the last byte that may be read: the frame's end, or the end of the tagged field being read. */
  end: number;
  private elementsLeft: number;

  /**
   * `copyBytes`: byte strings (`bytes`, `records`, unknown tagged fields) are copies, so that nothing that was read needs
   * the frame any longer; else they are views of it.
   */
  constructor(
    buf: Buffer,
    pos = 0,
    limits: ReaderLimits = DEFAULT_LIMITS,
    private readonly copyBytes = false,
  ) {
    this.buf = buf;
    this.view = new DataView(buf.buffer, buf.byteOffset, buf.length);
    this.pos = pos;
    this.end = buf.length;
    this.elementsLeft = limits.maxElements;
  }

  get remaining(): number {
    return this.end - this.pos;
  }

  /** Claims `size` bytes and returns where they begin. */
  take(size: number): number {
    const start = this.pos;
    if (size > this.end - start) throw this.truncated(size);
    this.pos = start + size;
    return start;
  }

  bool(): boolean {
    return this.view.getInt8(this.take(1)) !== 0;
  }

  int8(): number {
    return this.view.getInt8(this.take(1));
  }

  int16(): number {
    return this.view.getInt16(this.take(2));
  }

  uint16(): number {
    return this.view.getUint16(this.take(2));
  }

  int32(): number {
    return this.view.getInt32(this.take(4));
  }

  uint32(): number {
    return this.view.getUint32(this.take(4));
  }

  int64(): bigint {
    return this.view.getBigInt64(this.take(8));
  }

  float64(): number {
    return this.view.getFloat64(this.take(8));
  }

  uuid(): string {
    return this.uuidAt(this.take(UUID_BYTES));
  }

  /** The uuid whose 16 bytes, already claimed, begin at `start`. */
  uuidAt(start: number): string {
    return this.buf.base64urlSlice(start, start + UUID_BYTES);
  }

  /** An unsigned varint: at most five bytes and 32 bits. Padding with zero bits is allowed, as in Kafka. */
  varint(): number {
    const { pos } = this;
    if (pos < this.end) {
      const byte = this.view.getInt8(pos);
      if (byte >= 0) {
        this.pos = pos + 1;
        return byte;
      }
    }
    return this.longVarint();
  }

  private longVarint(): number {
    const { buf, end, pos } = this;
    let value = 0;
    for (let shift = 0, at = pos; at < end; shift += 7, at++) {
      const byte = buf[at] ?? 0;
      if (shift === 28 && byte > 0x0f) throw new WireError('invalid', 'varint of more than 32 bits', pos);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.pos = at + 1;
        return value >>> 0;
      }
    }
    throw this.truncated(end - pos + 1);
  }

  /** A length of the non-flexible versions; -1 stands for null. `size` is the width of the length itself. */
  private length(size: 2 | 4): number {
    const start = this.take(size);
    const length = size === 2 ? this.view.getInt16(start) : this.view.getInt32(start);
    if (length < -1) throw new WireError('invalid', `length of ${length}`, start);
    return length;
  }

  private text(length: number): string {
    if (length > MAX_STRING_BYTES) throw new WireError('invalid', `string of ${length} bytes`, this.pos);
    const start = this.take(length);
    return length === 0 ? '' : this.buf.utf8Slice(start, start + length);
  }

  private blob(length: number): Buffer {
    const start = this.take(length);
    const view = this.buf.subarray(start, start + length);
    return this.copyBytes ? Buffer.from(view) : view;
  }

  string(): string {
    return this.text(this.notNull(this.length(2)));
  }

  nullableString(): string | null {
    const length = this.length(2);
    return length < 0 ? null : this.text(length);
  }

  compactString(): string {
    return this.text(this.notNull(this.varint() - 1));
  }

  compactNullableString(): string | null {
    const length = this.varint() - 1;
    return length < 0 ? null : this.text(length);
  }

  bytes(): Buffer {
    return this.blob(this.notNull(this.length(4)));
  }

  nullableBytes(): Buffer | null {
    const length = this.length(4);
    return length < 0 ? null : this.blob(length);
  }

  compactBytes(): Buffer {
    return this.blob(this.notNull(this.varint() - 1));
  }

  compactNullableBytes(): Buffer | null {
    const length = this.varint() - 1;
    return length < 0 ? null : this.blob(length);
  }

  /**
   * The number of an array's elements, -1 for null, checked against what is left of the frame before anything is allocated.
   * `elementBytes`: the least that one takes on the wire, 1 for elements of no bytes (Kafka's own bound).
   */
  arrayLength(elementBytes: number): number {
    const start = this.pos;
    return this.checkCount(this.length(4), elementBytes, start);
  }

  compactArrayLength(elementBytes: number): number {
    const start = this.pos;
    return this.checkCount(this.varint() - 1, elementBytes, start);
  }

  private checkCount(count: number, elementBytes: number, start: number): number {
    const available = this.end - this.pos;
    if (count * elementBytes > available)
      throw new WireError('truncated', `array of ${count} elements, but only ${available} bytes are left`, start);
    if (count > 0) this.count(count, start);
    return count;
  }

  private count(elements: number, start: number): void {
    this.elementsLeft -= elements;
    if (this.elementsLeft < 0) throw new WireError('limit', `${elements} elements are more than a message may hold`, start);
  }

  /** The number of tagged fields that follow; each takes two bytes at least. */
  tagCount(): number {
    const start = this.pos;
    const count = this.varint();
    if (count === 0) return 0;
    if (count * 2 > this.end - this.pos)
      throw new WireError('truncated', `${count} tagged fields, but only ${this.end - this.pos} bytes are left`, start);
    this.count(count, start);
    return count;
  }

  /** Narrows the reader to one tagged field and returns the end to hand to `leave`. */
  enter(): number {
    const size = this.varint();
    const outer = this.end;
    if (size > outer - this.pos) throw this.truncated(size);
    this.end = this.pos + size;
    return outer;
  }

  /** Everything that is left of the tagged field. */
  rest(): Buffer {
    return this.blob(this.end - this.pos);
  }

  leave(outer: number): void {
    if (this.pos !== this.end)
      throw new WireError('invalid', `tagged field has ${this.end - this.pos} bytes more than its value`, this.pos);
    this.end = outer;
  }

  /** @throws WireError `trailing` unless everything was read. */
  expectEnd(): void {
    if (this.pos !== this.end) throw new WireError('trailing', `${this.end - this.pos} bytes after the message`, this.pos);
  }

  notNull(length: number): number {
    if (length < 0) throw new WireError('invalid', 'null where none is allowed', this.pos);
    return length;
  }

  private truncated(needed: number): WireError {
    const available = this.end - this.pos;
    return new WireError('truncated', `${needed} bytes needed, but only ${available} are left`, this.pos, available);
  }
}
