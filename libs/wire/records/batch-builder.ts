import { crc32c } from '@node-rs/crc32';
import { BATCH_OVERHEAD_BYTES, BatchField, LOG_OVERHEAD_BYTES, batchAttributes, withCodecId, writeInt64 } from './batch-header';
import { CodecId, compress } from './codecs/codec';
import type { CodecName } from './codecs/codec';
import { varintSize, writeVarint } from './varint';

export interface NewRecord {
  readonly key?: Buffer | null;
  readonly value?: Buffer | null;
  /** Milliseconds since 1970; absent: the batch's. */
  readonly timestamp?: number;
  readonly headers?: readonly { readonly key: string; readonly value: Buffer | null }[];
}

export interface NewBatch {
  readonly records: readonly NewRecord[];
  /** Of records that have none of their own. */
  readonly timestamp: number;
  /** 0 by default, which is what a producer sends. */
  readonly baseOffset?: number;
  /** -1 by default. */
  readonly partitionLeaderEpoch?: number;
  readonly codec?: CodecName;
  readonly compressionLevel?: number;
  /** Idempotent fields, all -1 by default. */
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
  /** Stamps the whole batch with `timestamp` as the leader's append time. */
  readonly logAppendTime?: boolean;
}

/** Builds one record batch of magic 2 in a buffer of its own. */
export function buildBatch(batch: NewBatch): Buffer {
  const first = batch.records[0];
  const baseTimestamp = first?.timestamp ?? batch.timestamp;
  const codecId = CodecId[batch.codec ?? 'none'];
  const sizes = batch.records.map((record, index) => recordBodySize(record, index, timestampOf(record, batch) - baseTimestamp));
  const recordsBytes = sizes.reduce((sum, size) => sum + varintSize(size) + size, 0);
  const bytes = Buffer.allocUnsafe(BATCH_OVERHEAD_BYTES + recordsBytes);
  let at: number = BatchField.records;
  let maxTimestamp = batch.records.length === 0 ? batch.timestamp : -1;
  batch.records.forEach((record, index) => {
    const timestamp = timestampOf(record, batch);
    maxTimestamp = Math.max(maxTimestamp, timestamp);
    at = writeVarint(bytes, at, sizes[index] ?? 0);
    at = writeRecordBody(bytes, at, record, index, timestamp - baseTimestamp);
  });
  writeHeader(bytes, batch, baseTimestamp, batch.logAppendTime === true ? batch.timestamp : maxTimestamp);
  if (codecId !== CodecId.none)
    return recompressBatch(bytes, bytes.subarray(BatchField.records), codecId, batch.compressionLevel);
  sealBatch(bytes);
  return bytes;
}

/**
 * The batch that fills `batch` with its records under another codec: a new buffer, every other field kept.
 * `records` are its uncompressed records.
 */
export function recompressBatch(batch: Buffer, records: Buffer, codecId: number, level?: number): Buffer {
  const bytes = Buffer.concat([batch.subarray(0, BatchField.records), compress(codecId, records, level)]);
  bytes.writeInt16BE(withCodecId(bytes.readInt16BE(BatchField.attributes), codecId), BatchField.attributes);
  sealBatch(bytes);
  return bytes;
}

/** Sets length and CRC from what the buffer holds. */
function sealBatch(bytes: Buffer): void {
  bytes.writeInt32BE(bytes.length - LOG_OVERHEAD_BYTES, BatchField.length);
  bytes.writeUInt32BE(crc32c(bytes.subarray(BatchField.attributes)), BatchField.crc);
}

function writeHeader(bytes: Buffer, batch: NewBatch, baseTimestamp: number, maxTimestamp: number): void {
  writeInt64(bytes, BatchField.baseOffset, batch.baseOffset ?? 0);
  bytes.writeInt32BE(batch.partitionLeaderEpoch ?? -1, BatchField.partitionLeaderEpoch);
  bytes.writeInt8(2, BatchField.magic);
  const attributes = batchAttributes({
    codecId: CodecId.none,
    logAppendTime: batch.logAppendTime ?? false,
    transactional: batch.transactional ?? false,
    control: batch.control ?? false,
  });
  bytes.writeInt16BE(attributes, BatchField.attributes);
  bytes.writeInt32BE(batch.records.length - 1, BatchField.lastOffsetDelta);
  writeInt64(bytes, BatchField.baseTimestamp, baseTimestamp);
  writeInt64(bytes, BatchField.maxTimestamp, maxTimestamp);
  writeInt64(bytes, BatchField.producerId, batch.producerId ?? -1);
  bytes.writeInt16BE(batch.producerEpoch ?? -1, BatchField.producerEpoch);
  bytes.writeInt32BE(batch.baseSequence ?? -1, BatchField.baseSequence);
  bytes.writeInt32BE(batch.records.length, BatchField.recordCount);
}

function timestampOf(record: NewRecord, batch: NewBatch): number {
  return record.timestamp ?? batch.timestamp;
}

function recordBodySize(record: NewRecord, index: number, timestampDelta: number): number {
  let size = 1 + varintSize(timestampDelta) + varintSize(index);
  size += bytesSize(record.key) + bytesSize(record.value) + varintSize(record.headers?.length ?? 0);
  for (const header of record.headers ?? []) {
    const keyBytes = Buffer.byteLength(header.key, 'utf8');
    size += varintSize(keyBytes) + keyBytes + bytesSize(header.value);
  }
  return size;
}

function writeRecordBody(into: Buffer, start: number, record: NewRecord, index: number, timestampDelta: number): number {
  into[start] = 0;
  let at = writeVarint(into, start + 1, timestampDelta);
  at = writeVarint(into, at, index);
  at = writeBytes(into, at, record.key);
  at = writeBytes(into, at, record.value);
  at = writeVarint(into, at, record.headers?.length ?? 0);
  for (const header of record.headers ?? []) {
    at = writeVarint(into, at, Buffer.byteLength(header.key, 'utf8'));
    at += into.write(header.key, at, 'utf8');
    at = writeBytes(into, at, header.value);
  }
  return at;
}

function bytesSize(bytes: Buffer | null | undefined): number {
  return bytes === null || bytes === undefined ? 1 : varintSize(bytes.length) + bytes.length;
}

function writeBytes(into: Buffer, start: number, bytes: Buffer | null | undefined): number {
  if (bytes === null || bytes === undefined) return writeVarint(into, start, -1);
  const at = writeVarint(into, start, bytes.length);
  bytes.copy(into, at);
  return at + bytes.length;
}
