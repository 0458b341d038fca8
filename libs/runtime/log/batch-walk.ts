import type { LoggedBatch } from '@streamline/core/log/log-state';
import type { Segment } from '@streamline/core/log/segment';
import { BATCH_OVERHEAD_BYTES, BatchField, LOG_OVERHEAD_BYTES, readInt64OrNaN } from '@streamline/wire/records/batch-header';
import type { DiskFile } from '../ports/disk';
import { SEGMENT_HEADER_BYTES } from './segment-header';

const WALK_BYTES = 256 << 10;

/** The facts of a batch that the log needs, and its leader epoch. */
export interface WalkedBatch extends LoggedBatch {
  readonly leaderEpoch: number;
}

/** A place in a segment where no batch stands although one should. */
export class BadBatchError extends Error {
  constructor(
    readonly positionBytes: number,
    readonly expectedOffset: number,
    problem: string,
  ) {
    super(`bad batch at byte ${SEGMENT_HEADER_BYTES + positionBytes}, offset ${expectedOffset}: ${problem}`);
    this.name = 'BadBatchError';
  }
}

/** Reads the head of the batch at `at`, of which at least 61 bytes are there; undefined where it can be none. */
export function batchHeadAt(buffer: Buffer, at: number): WalkedBatch | undefined {
  const sizeBytes = buffer.readInt32BE(at + BatchField.length) + LOG_OVERHEAD_BYTES;
  const baseOffset = readInt64OrNaN(buffer, at + BatchField.baseOffset);
  const lastOffsetDelta = buffer.readInt32BE(at + BatchField.lastOffsetDelta);
  if (sizeBytes < BATCH_OVERHEAD_BYTES || buffer[at + BatchField.magic] !== 2) return undefined;
  if (!(baseOffset >= 0) || lastOffsetDelta < 0) return undefined;
  return {
    baseOffset,
    lastOffset: baseOffset + lastOffsetDelta,
    lastOffsetDelta,
    sizeBytes,
    maxTimestamp: readInt64OrNaN(buffer, at + BatchField.maxTimestamp),
    leaderEpoch: buffer.readInt32BE(at + BatchField.partitionLeaderEpoch),
    producerId: readInt64OrNaN(buffer, at + BatchField.producerId),
    producerEpoch: buffer.readInt16BE(at + BatchField.producerEpoch),
    baseSequence: buffer.readInt32BE(at + BatchField.baseSequence),
  };
}

/** Where the offset after a batch stands in its bytes: the cheapest look at a batch, for the hot path. */
export function endOffsetAt(buffer: Buffer, at: number): number {
  return readInt64OrNaN(buffer, at + BatchField.baseOffset) + buffer.readInt32BE(at + BatchField.lastOffsetDelta) + 1;
}

/** What a walk calls for each batch; `true` ends it. */
export type BatchVisitor = (batch: WalkedBatch, positionBytes: number) => boolean | void;

/**
 * Visits the heads of the batches of a segment that stand between two positions (bytes from the first batch).
 * @throws BadBatchError where there is something else before `toBytes`
 */
export async function walkBatches(
  file: DiskFile,
  segment: Segment,
  fromBytes: number,
  toBytes: number,
  visit: BatchVisitor,
): Promise<void> {
  let position = fromBytes;
  let expectedOffset = position === 0 ? segment.baseOffset : -1;
  let window: Buffer = Buffer.alloc(0);
  let windowAt = position;
  while (position < toBytes) {
    if (position + BATCH_OVERHEAD_BYTES > windowAt + window.length) {
      window = Buffer.allocUnsafe(Math.min(WALK_BYTES, toBytes - position));
      windowAt = position;
      const got = await file.read(SEGMENT_HEADER_BYTES + position, window);
      window = window.subarray(0, got);
      if (got < BATCH_OVERHEAD_BYTES) throw new BadBatchError(position, expectedOffset, `the file ends after ${got} more bytes`);
    }
    const batch = batchHeadAt(window, position - windowAt);
    if (batch === undefined) throw new BadBatchError(position, expectedOffset, 'no batch of magic 2 begins here');
    if (batch.baseOffset < expectedOffset)
      throw new BadBatchError(position, expectedOffset, `it begins at offset ${batch.baseOffset}`);
    if (position + batch.sizeBytes > toBytes)
      throw new BadBatchError(position, expectedOffset, `its ${batch.sizeBytes} bytes reach too far`);
    if (visit(batch, position) === true) return;
    position += batch.sizeBytes;
    expectedOffset = batch.lastOffset + 1;
  }
}
