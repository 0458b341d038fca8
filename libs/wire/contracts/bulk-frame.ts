import type { MessageCodec } from './port';

/** u32 big endian before the header. */
export const HEADER_LENGTH_BYTES = 4;

/** No header of a well-meaning peer is larger: 10,000 partitions of some 40 bytes. */
export const BULK_HEADER_BYTES_MAX = 4 * 1024 * 1024;

export class BulkFrameError extends Error {
  override readonly name = 'BulkFrameError';
}

/** Lays a header and the bytes that it describes into one frame: `u32 header_length | header | payload`. */
export function encodeBulkFrame<T>(codec: MessageCodec<T>, header: T, payload: readonly Uint8Array[]): Buffer {
  const head = codec.encode(header).finish();
  const length = Buffer.allocUnsafe(HEADER_LENGTH_BYTES);
  length.writeUInt32BE(head.length, 0);
  return Buffer.concat([length, head, ...payload]);
}

/** Splits a frame; the payload is a view of it. */
export function decodeBulkFrame<T>(codec: MessageCodec<T>, frame: Buffer): { header: T; payload: Buffer } {
  if (frame.length < HEADER_LENGTH_BYTES) throw new BulkFrameError(`a bulk frame of ${frame.length} bytes has no header length`);
  const headLength = frame.readUInt32BE(0);
  if (headLength > BULK_HEADER_BYTES_MAX || HEADER_LENGTH_BYTES + headLength > frame.length) {
    throw new BulkFrameError(`a bulk frame of ${frame.length} bytes claims a header of ${headLength}`);
  }
  const end = HEADER_LENGTH_BYTES + headLength;
  return { header: codec.decode(frame.subarray(HEADER_LENGTH_BYTES, end)), payload: frame.subarray(end) };
}

/** Cuts a payload into the pieces that its header counts; they must add up exactly. */
export function splitPayload(payload: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let position = 0;
  for (const size of sizes) {
    if (size < 0 || position + size > payload.length) {
      throw new BulkFrameError(`a bulk payload of ${payload.length} bytes has no ${size} bytes at ${position}`);
    }
    pieces.push(payload.subarray(position, position + size));
    position += size;
  }
  if (position !== payload.length) {
    throw new BulkFrameError(
      `a bulk payload of ${payload.length} bytes holds ${payload.length - position} that its header does not name`,
    );
  }
  return pieces;
}
