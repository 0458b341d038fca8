import type { UnknownTaggedField } from '../schema/field';
import { UUID_BYTES, UUID_CHARACTERS } from './primitives';
import { EncodeError } from './wire-error';

/** Frames are cut from slabs of this size; a slab lives as long as a frame that was cut from it. */
const SLAB_BYTES = 64 * 1024;
/** A slab with less room than this is left to its frames. */
const LEAST_ROOM_BYTES = 512;
/** Byte strings below this size are copied into the frame: one more entry in writev costs more than the copy. */
export const COPY_BELOW_BYTES = 1024;
const MAX_STRING_BYTES = 0x7fff;
const MAX_FRAME_BYTES = 0x7fffffff;
/** What a frame may hold beside record bytes: a defence against answers of which nobody saw how large they would be. */
const MAX_OWN_BYTES = 256 * 1024 * 1024;
/** Strings up to this length are written by a loop, longer ones by Node (measured: equal at 16). */
const LOOP_STRING_LENGTH = 12;
/** Compact strings up to this length have a length of one byte, whatever they hold: 126 bytes, three a character. */
const SHORT_COMPACT_LENGTH = 42;

/**
 * Writes one frame at a time in one pass: into a slab, cut where record bytes go in between without a copy. `finish` gives
 * the pieces in order. Throws `EncodeError`; after an error `reset` discards the frame and the writer can be used again.
 */
export class Writer {
  buf: Buffer;
  view: DataView;
  /** Where the next byte goes in `buf`. */
  private pos = 0;
  /** Where the piece that is being written begins in `buf`. */
  private start = 0;
  private pieces: Buffer[] = [];
  /** Bytes in `pieces`. */
  private cutBytes = 0;
  /** Those of them that are not copies. */
  private lentBytes = 0;
  /** Open tagged fields: their size stands before them, so that they must stay in one piece. */
  private openTags = 0;

  constructor() {
    this.buf = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.view = viewOf(this.buf);
  }

  /** Bytes of the frame so far. */
  get size(): number {
    return this.cutBytes + this.pos - this.start;
  }

  /** The pieces of what was written since the last `finish`. */
  finish(): Buffer[] {
    const pieces = this.pieces.length === 0 && this.pos > this.start ? [this.written()] : this.allPieces();
    this.start = this.pos;
    this.cutBytes = 0;
    this.lentBytes = 0;
    if (this.buf.length !== SLAB_BYTES || this.buf.length - this.pos < LEAST_ROOM_BYTES) this.replace(SLAB_BYTES);
    return pieces;
  }

  /** Writes the size of what follows its own four bytes, which `beginFrame` left out, and ends the frame. */
  finishFrame(): Buffer[] {
    const size = this.size - 4;
    if (size > MAX_FRAME_BYTES) throw new EncodeError(`frame of ${size} bytes`);
    const first = this.pieces[0];
    if (first === undefined) this.view.setInt32(this.start, size);
    else first.writeInt32BE(size, 0);
    return this.finish();
  }

  beginFrame(): void {
    this.take(4);
  }

  reset(): void {
    this.pos = this.start;
    if (this.pieces.length > 0) this.pieces = [];
    this.cutBytes = 0;
    this.lentBytes = 0;
    this.openTags = 0;
    if (this.buf.length !== SLAB_BYTES) this.replace(SLAB_BYTES);
  }

  /** What was written since the last `finish`, in a buffer of its own. */
  copy(): Buffer {
    return Buffer.concat([...this.pieces, this.written()]);
  }

  /** Makes room for `size` bytes and returns where in `buf` and `view` they go. */
  take(size: number): number {
    if (this.pos + size > this.buf.length) this.grow(size);
    const at = this.pos;
    this.pos = at + size;
    return at;
  }

  private grow(size: number): void {
    const { buf, start, pos } = this;
    const used = pos - start;
    if (this.size - this.lentBytes + size > MAX_OWN_BYTES)
      throw new EncodeError(`frame of more than ${MAX_OWN_BYTES} bytes beside its records`);
    this.replace(Math.max(SLAB_BYTES, 2 * (used + size)));
    buf.copy(this.buf, 0, start, pos);
    this.pos = used;
  }

  private replace(size: number): void {
    this.buf = Buffer.allocUnsafeSlow(size);
    this.view = viewOf(this.buf);
    this.start = 0;
    this.pos = 0;
  }

  /** What was written since the last cut. */
  private written(): Buffer {
    return this.buf.subarray(this.start, this.pos);
  }

  private allPieces(): Buffer[] {
    this.cut();
    const { pieces } = this;
    this.pieces = [];
    return pieces;
  }

  private cut(): void {
    if (this.pos === this.start) return;
    this.pieces.push(this.written());
    this.cutBytes += this.pos - this.start;
    this.start = this.pos;
  }

  bool(value: boolean): void {
    this.view.setInt8(this.take(1), value ? 1 : 0);
  }

  int8(value: number): void {
    const at = this.take(1);
    this.view.setInt8(at, value);
  }

  int16(value: number): void {
    const at = this.take(2);
    this.view.setInt16(at, value);
  }

  uint16(value: number): void {
    const at = this.take(2);
    this.view.setUint16(at, value);
  }

  int32(value: number): void {
    const at = this.take(4);
    this.view.setInt32(at, value);
  }

  uint32(value: number): void {
    const at = this.take(4);
    this.view.setUint32(at, value);
  }

  int64(value: bigint): void {
    const at = this.take(8);
    this.view.setBigInt64(at, value);
  }

  float64(value: number): void {
    const at = this.take(8);
    this.view.setFloat64(at, value);
  }

  uuid(value: string): void {
    this.uuidAt(this.take(UUID_BYTES), value);
  }

  uuidAt(at: number, value: string): void {
    if (value.length !== UUID_CHARACTERS || this.buf.base64urlWrite(value, at, UUID_BYTES) !== UUID_BYTES)
      throw new EncodeError(`'${value}' is no uuid in url-safe base64`);
  }

  varint(value: number): void {
    let left = value;
    let at = this.take(varintBytes(value));
    while (left > 0x7f) {
      this.buf[at++] = (left & 0x7f) | 0x80;
      left >>>= 7;
    }
    this.buf[at] = left;
  }

  string(value: string): void {
    const at = this.reserveText(value, 2);
    const size = this.putText(value, at + 2);
    this.view.setInt16(at, size);
    this.pos = at + 2 + size;
  }

  compactString(value: string): void {
    if (value.length > SHORT_COMPACT_LENGTH) {
      this.varint(Buffer.byteLength(value) + 1);
      const at = this.reserveText(value, 0);
      this.pos = at + this.putText(value, at);
      return;
    }
    const at = this.reserveText(value, 1);
    const size = this.putText(value, at + 1);
    this.buf[at] = size + 1;
    this.pos = at + 1 + size;
  }

  /** Makes room for a text of three bytes a character behind `prefix` bytes and returns where the prefix goes. */
  private reserveText(value: string, prefix: number): number {
    if (value.length > MAX_STRING_BYTES) throw new EncodeError(`string of ${value.length} characters`);
    const at = this.take(prefix + 3 * value.length);
    this.pos = at;
    return at;
  }

  /** Returns the number of bytes written. */
  private putText(value: string, at: number): number {
    const { length } = value;
    if (length > LOOP_STRING_LENGTH) return checkedTextBytes(this.buf.utf8Write(value, at));
    const { buf } = this;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return buf.utf8Write(value, at);
      buf[at + i] = code;
    }
    return length;
  }

  bytes(value: Buffer): void {
    this.int32(value.length);
    this.raw(value);
  }

  compactBytes(value: Buffer): void {
    this.varint(value.length + 1);
    this.raw(value);
  }

  records(value: Buffer | readonly Buffer[]): void {
    if (Buffer.isBuffer(value)) this.bytes(value);
    else {
      this.int32(totalBytes(value));
      for (const piece of value) this.raw(piece);
    }
  }

  compactRecords(value: Buffer | readonly Buffer[]): void {
    if (Buffer.isBuffer(value)) this.compactBytes(value);
    else {
      this.varint(totalBytes(value) + 1);
      for (const piece of value) this.raw(piece);
    }
  }

  /** Bytes without a length: a piece of their own when they are many, else copied. */
  raw(value: Buffer): void {
    if (value.length < COPY_BELOW_BYTES || this.openTags > 0) {
      this.put(value);
      return;
    }
    this.cut();
    this.pieces.push(value);
    this.cutBytes += value.length;
    this.lentBytes += value.length;
  }

  private put(value: Buffer): void {
    // `take` may replace `buf`, so that it has to come first.
    const at = this.take(value.length);
    this.buf.set(value, at);
  }

  /** Starts the value of a tagged field, whose size goes before it. Returns what `endTagged` needs. */
  beginTagged(): number {
    this.openTags++;
    this.take(1);
    return this.pos - this.start;
  }

  endTagged(mark: number): void {
    this.openTags--;
    const size = this.pos - this.start - mark;
    const extra = varintBytes(size) - 1;
    if (extra > 0) {
      this.take(extra);
      const from = this.start + mark;
      this.buf.copyWithin(from + extra, from, from + size);
    }
    const end = this.pos;
    this.pos = this.start + mark - 1;
    this.varint(size);
    this.pos = end;
  }

  /** Writes the unknown tagged fields from index `next` on whose tag is below `limit`; returns the index of the first that is not. */
  unknownTags(fields: readonly UnknownTaggedField[], next: number, limit: number): number {
    let index = next;
    for (let field = fields[index]; field !== undefined && field.tag < limit; field = fields[++index]) {
      this.varint(field.tag);
      this.varint(field.data.length);
      this.put(field.data);
    }
    return index;
  }
}

function checkedTextBytes(size: number): number {
  if (size > MAX_STRING_BYTES) throw new EncodeError(`string of ${size} bytes`);
  return size;
}

function totalBytes(pieces: readonly Buffer[]): number {
  let size = 0;
  for (const piece of pieces) size += piece.length;
  return size;
}

function viewOf(buf: Buffer): DataView {
  return new DataView(buf.buffer, buf.byteOffset, buf.length);
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Lent to one frame at a time; undefined while it is lent. */
let idle: Writer | undefined;

/** Lends the process's writer, whose slabs its frames share, until it is given back; to another caller meanwhile, a new one. */
export function lendWriter(): Writer {
  const writer = idle ?? new Writer();
  idle = undefined;
  return writer;
}

/** Takes a writer back; what it left unfinished is discarded. */
export function giveWriterBack(writer: Writer): void {
  writer.reset();
  idle = writer;
}

/** Lends a writer to `write`. On hot paths the pair above saves the closure. */
export function withWriter<T>(write: (writer: Writer) => T): T {
  const writer = lendWriter();
  try {
    return write(writer);
  } finally {
    giveWriterBack(writer);
  }
}
