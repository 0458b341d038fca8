import { crc32c } from '@node-rs/crc32';
import { BatchField, withTimestampType, writeInt64 } from './batch-header';

/** Sets the offset of a batch's first record; outside the CRC, so nothing else changes. */
export function patchBaseOffset(batch: Buffer, baseOffset: number, at = 0): void {
  writeInt64(batch, at + BatchField.baseOffset, baseOffset);
}

/** Sets the epoch of the leader that appended the batch; outside the CRC, so nothing else changes. */
export function patchPartitionLeaderEpoch(batch: Buffer, leaderEpoch: number, at = 0): void {
  batch.writeInt32BE(leaderEpoch, at + BatchField.partitionLeaderEpoch);
}

/**
 * Sets max timestamp and timestamp type of the batch that fills `batch`, and its CRC with them. With LogAppendTime the
 * max timestamp is the time of all its records.
 */
export function patchMaxTimestamp(batch: Buffer, maxTimestamp: number, logAppendTime: boolean): void {
  const attributes = batch.readInt16BE(BatchField.attributes);
  batch.writeInt16BE(withTimestampType(attributes, logAppendTime), BatchField.attributes);
  writeInt64(batch, BatchField.maxTimestamp, maxTimestamp);
  batch.writeUInt32BE(computeBatchCrc(batch), BatchField.crc);
}

/** The CRC-32C that the batch that fills `batch` should carry. */
export function computeBatchCrc(batch: Buffer): number {
  return crc32c(batch.subarray(BatchField.attributes));
}

/** True where the CRC of the batch that fills `batch` is right. */
export function isBatchCrcValid(batch: Buffer): boolean {
  return computeBatchCrc(batch) === batch.readUInt32BE(BatchField.crc);
}
