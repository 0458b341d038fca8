import { encodeRequest } from '@streamline/wire/kafka/frame';
import type { Api } from '@streamline/wire/kafka/schema/api';
import type { Fields, WriteOf } from '@streamline/wire/kafka/schema/field';

const CORRELATION_ID_AT = 8;
const CLIENT_ID = 'bench';

/**
 * Requests that were laid out once, side by side in one buffer, so that any run of them is one write without a copy.
 * A slot's correlation id is its index. A slot may be changed only while none of its bytes wait to be sent.
 */
export class FrameRing {
  private constructor(
    readonly bytes: Buffer,
    readonly frameBytes: number,
    readonly slots: number,
  ) {}

  /** One frame a slot; all must encode to the same size. */
  static of<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    bodies: readonly WriteOf<Request>[],
  ): FrameRing {
    const frames = bodies.map((body, slot) => Buffer.concat(encodeRequest(api, version, slot, CLIENT_ID, body)));
    const frameBytes = frames[0]?.length ?? 0;
    if (frames.some((frame) => frame.length !== frameBytes)) throw new Error('the frames of a ring differ in size');
    return new FrameRing(Buffer.concat(frames), frameBytes, frames.length);
  }

  correlationIdOf(slot: number): number {
    return this.bytes.readInt32BE(slot * this.frameBytes + CORRELATION_ID_AT);
  }

  /** Where the 8 bytes of `marker` stand in each frame. */
  positionOf(marker: bigint): number {
    const pattern = Buffer.alloc(8);
    pattern.writeBigInt64BE(marker);
    const at = this.bytes.subarray(0, this.frameBytes).indexOf(pattern);
    if (at < 0) throw new Error('the marker is not in the frame');
    return at;
  }

  /** The bytes of `count` slots from `slot` on; they may not run over the end. */
  run(slot: number, count: number): Buffer {
    return this.bytes.subarray(slot * this.frameBytes, (slot + count) * this.frameBytes);
  }
}
