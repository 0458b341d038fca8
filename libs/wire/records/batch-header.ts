import { RecordFormatError } from './record-format-error';

/**
 * The fixed part of a record batch of magic 2, as it stands on the wire and on disk (KIP-98). int64 fields are numbers:
 * the reader refuses what does not fit in 2^53.
 */
export interface BatchHeader {
  readonly baseOffset: number;
  /** Whole size on the wire, the 12 bytes before the length's count included. */
  readonly sizeBytes: number;
  readonly partitionLeaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  /** -1: not idempotent. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
}

/**
 * Where the fields of a batch stand, in bytes from its start (all big endian):
 * ```
 * int64 baseOffset | int32 length | int32 partitionLeaderEpoch | int8 magic | uint32 crc | int16 attributes |
 * int32 lastOffsetDelta | int64 baseTimestamp | int64 maxTimestamp | int64 producerId | int16 producerEpoch |
 * int32 baseSequence | int32 recordCount | records
 * ```
 * `length` counts what follows it; the CRC-32C covers everything from `attributes` on.
 */
export const BatchField = {
  baseOffset: 0,
  length: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
  records: 61,
} as const;

/** Bytes before the part that `length` counts. */
export const LOG_OVERHEAD_BYTES = 12;

/** Bytes of a batch of magic 2 without its records: no batch is smaller. */
export const BATCH_OVERHEAD_BYTES = 61;

/** Bytes needed to know a batch's magic, whatever its format. */
export const HEADER_BYTES_UP_TO_MAGIC = 17;

/** The smallest `length` of any format ever (magic 0: crc, magic, attributes, key and value length). */
export const SMALLEST_LENGTH_OF_ANY_MAGIC = 14;

/** The `timestamp` of a record that has none. */
export const NO_TIMESTAMP = -1;

const CODEC_MASK = 0x07;
const TIMESTAMP_TYPE_MASK = 0x08;
const TRANSACTIONAL_MASK = 0x10;
const CONTROL_MASK = 0x20;
const DELETE_HORIZON_MASK = 0x40;

/** The codec's id in the batch's attributes: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd; 5 to 7 mean nothing. */
export function codecIdOf(attributes: number): number {
  return attributes & CODEC_MASK;
}

/** True: the records' time is when the leader appended them, and `maxTimestamp` holds it. */
export function isLogAppendTime(attributes: number): boolean {
  return (attributes & TIMESTAMP_TYPE_MASK) !== 0;
}

/** True: the batch belongs to a transaction. */
export function isTransactional(attributes: number): boolean {
  return (attributes & TRANSACTIONAL_MASK) !== 0;
}

/** True: the batch holds a control record (a transaction marker and the like), never a client's record. */
export function isControl(attributes: number): boolean {
  return (attributes & CONTROL_MASK) !== 0;
}

/** True: `baseTimestamp` is the time at which tombstones in the batch may go (KIP-534). */
export function hasDeleteHorizon(attributes: number): boolean {
  return (attributes & DELETE_HORIZON_MASK) !== 0;
}

/** The attributes with the timestamp type set as told. */
export function withTimestampType(attributes: number, logAppendTime: boolean): number {
  return logAppendTime ? attributes | TIMESTAMP_TYPE_MASK : attributes & ~TIMESTAMP_TYPE_MASK;
}

/** The attributes with another codec id. */
export function withCodecId(attributes: number, codecId: number): number {
  return (attributes & ~CODEC_MASK) | (codecId & CODEC_MASK);
}

/** The attributes of a new batch. */
export function batchAttributes(parts: {
  readonly codecId: number;
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  readonly control: boolean;
}): number {
  return (
    parts.codecId |
    (parts.logAppendTime ? TIMESTAMP_TYPE_MASK : 0) |
    (parts.transactional ? TRANSACTIONAL_MASK : 0) |
    (parts.control ? CONTROL_MASK : 0)
  );
}

const TWO_TO_32 = 0x1_0000_0000;

/** An int64 as a number; NaN where it does not fit in 2^53. */
export function readInt64OrNaN(buffer: Buffer, at: number): number {
  const value = buffer.readInt32BE(at) * TWO_TO_32 + buffer.readUInt32BE(at + 4);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

function readInt64(buffer: Buffer, at: number, field: string): number {
  const value = readInt64OrNaN(buffer, at);
  if (Number.isNaN(value)) {
    throw new RecordFormatError(`${field} is outside -2^53 to 2^53`, field.endsWith('Timestamp') ? 'timestamp-range' : 'range');
  }
  return value;
}

/** Writes a safe integer as int64. */
export function writeInt64(buffer: Buffer, at: number, value: number): void {
  buffer.writeInt32BE(Math.floor(value / TWO_TO_32), at);
  buffer.writeUInt32BE(value - Math.floor(value / TWO_TO_32) * TWO_TO_32, at + 4);
}

/**
 * Reads the header of the batch that starts at `at`, without copying. The whole batch must lie within `buffer` and be of
 * magic 2; the CRC is not looked at.
 *
 * @throws RecordFormatError where it does not, or an int64 is outside 2^53.
 */
export function readBatchHeader(buffer: Buffer, at = 0): BatchHeader {
  const availableBytes = buffer.length - at;
  if (availableBytes < BATCH_OVERHEAD_BYTES) {
    throw new RecordFormatError(`a batch takes at least ${BATCH_OVERHEAD_BYTES} bytes, here are ${availableBytes}`, 'size');
  }
  const sizeBytes = buffer.readInt32BE(at + BatchField.length) + LOG_OVERHEAD_BYTES;
  if (sizeBytes < BATCH_OVERHEAD_BYTES || sizeBytes > availableBytes) {
    throw new RecordFormatError(`batch size ${sizeBytes} is not within ${BATCH_OVERHEAD_BYTES} to ${availableBytes}`, 'size');
  }
  const magic = buffer.readInt8(at + BatchField.magic);
  if (magic !== 2) throw new RecordFormatError(`batch has magic ${magic}, not 2`, 'magic');
  return {
    baseOffset: readInt64(buffer, at + BatchField.baseOffset, 'baseOffset'),
    sizeBytes,
    partitionLeaderEpoch: buffer.readInt32BE(at + BatchField.partitionLeaderEpoch),
    magic,
    crc: buffer.readUInt32BE(at + BatchField.crc),
    attributes: buffer.readInt16BE(at + BatchField.attributes),
    lastOffsetDelta: buffer.readInt32BE(at + BatchField.lastOffsetDelta),
    baseTimestamp: readInt64(buffer, at + BatchField.baseTimestamp, 'baseTimestamp'),
    maxTimestamp: readInt64(buffer, at + BatchField.maxTimestamp, 'maxTimestamp'),
    producerId: readInt64(buffer, at + BatchField.producerId, 'producerId'),
    producerEpoch: buffer.readInt16BE(at + BatchField.producerEpoch),
    baseSequence: buffer.readInt32BE(at + BatchField.baseSequence),
    recordCount: buffer.readInt32BE(at + BatchField.recordCount),
  };
}
