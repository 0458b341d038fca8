import { ErrorCode } from '@streamline/core/types/error-code';
import { BATCH_OVERHEAD_BYTES, BatchField, NO_TIMESTAMP, codecIdOf } from './batch-header';
import { isControl, isLogAppendTime, isTransactional, readBatchHeader } from './batch-header';
import type { BatchHeader } from './batch-header';
import { recompressBatch } from './batch-builder';
import { wholeBatchSizeAt } from './batch-iterator';
import { isBatchCrcValid, patchMaxTimestamp } from './batch-patch';
import { CodecId } from './codecs/codec';
import { RecordFormatError } from './record-format-error';
import { scanRecords } from './record-scan';
import type { RecordScan } from './record-scan';
import { recordsSection } from './record-view';

/** Bytes that were decompressed or compressed for a caller who bounds how much is done at a time. */
export interface CodecWork {
  bytes: number;
}

/** Compressing takes about so many times as long as decompressing the same bytes (gzip and zstd at their default levels). */
const COMPRESSING_WEIGHT = 8;

/** What a topic and its broker allow; see the topic configs of the same names. */
export interface ProduceRules {
  /** max.message.bytes, for the batch as it comes and, where the topic wants another codec, as it is stored. */
  readonly maxMessageBytes: number;
  /** max.decompressed.message.bytes, for its records decompressed. */
  readonly maxDecompressedBytes: number;
  /** message.timestamp.before.max.ms */
  readonly timestampBeforeMaxMs: number;
  /** message.timestamp.after.max.ms */
  readonly timestampAfterMaxMs: number;
  /** message.timestamp.type is LogAppendTime. */
  readonly logAppendTime: boolean;
  /** cleanup.policy holds `compact`: every record needs a key. */
  readonly compactedTopic: boolean;
  /** compression.type as a codec id; `undefined` is `producer`: keep what the client chose. */
  readonly codecId: number | undefined;
  /** compression.<codec>.level of that codec. */
  readonly compressionLevel: number | undefined;
}

export interface RecordError {
  readonly batchIndex: number;
  readonly message: string;
}

export interface RefusedProduce {
  readonly ok: false;
  readonly errorCode: ErrorCode;
  readonly message: string;
  /** The records at fault, at most `MAX_RECORD_ERRORS` of them; empty where the batch as a whole is. */
  readonly recordErrors: readonly RecordError[];
}

export interface ValidProduce {
  readonly ok: true;
  /** What to append: a view of the request's bytes, or a new buffer where the topic wants another codec. */
  readonly batch: Buffer;
  readonly header: BatchHeader;
}

/** An answer need not list a million records. */
export const MAX_RECORD_ERRORS = 100;

/**
 * Checks what a producer sent for one partition, as Kafka 4.4 does (ByteBufferLogInputStream, ProduceRequest,
 * UnifiedLog.analyzeAndValidateRecords, LogValidator): exactly one whole batch of magic 2, sound, within the rules.
 * Mends a max timestamp that its records do not bear out, in place. LogAppendTime is stamped by whoever appends; here it
 * only means that the producer's times do not matter.
 * Uncompressed: one pass of CRC and one skip-scan. Never throws for bad bytes. What codecs had to do is added to `work`.
 */
export function validateProduce(
  records: Buffer,
  rules: ProduceRules,
  nowMs: number,
  work: CodecWork = { bytes: 0 },
): ValidProduce | RefusedProduce {
  try {
    return validate(records, rules, nowMs, work);
  } catch (error) {
    if (error instanceof RecordFormatError) return refuse(codeOf(error), error.message);
    throw error;
  }
}

/** True where `validateProduce` may have to run a codec: what that costs is not told by the length of the bytes. */
export function needsCodec(records: Buffer, rules: ProduceRules): boolean {
  if (records.length < BATCH_OVERHEAD_BYTES) return false;
  const codecId = codecIdOf(records.readInt16BE(BatchField.attributes));
  return codecId !== CodecId.none || (rules.codecId !== undefined && rules.codecId !== codecId);
}

function validate(records: Buffer, rules: ProduceRules, nowMs: number, work: CodecWork): ValidProduce | RefusedProduce {
  const sizeBytes = wholeBatchSizeAt(records, 0);
  if (sizeBytes === undefined)
    return refuse(ErrorCode.INVALID_RECORD, 'a produce request needs one record batch per partition, here is none');
  const magic = records.readInt8(BatchField.magic);
  if (magic !== 2)
    return refuse(ErrorCode.INVALID_RECORD, `a produce request takes record batches of magic 2 only, not ${magic}`);
  if (wholeBatchSizeAt(records, sizeBytes) !== undefined) {
    return refuse(ErrorCode.INVALID_RECORD, 'a produce request takes exactly one record batch per partition, here are more');
  }
  if (sizeBytes < BATCH_OVERHEAD_BYTES) {
    return refuse(ErrorCode.CORRUPT_MESSAGE, `batch of ${sizeBytes} bytes is smaller than its header of ${BATCH_OVERHEAD_BYTES}`);
  }
  const batch = sizeBytes === records.length ? records : records.subarray(0, sizeBytes);
  if (batch.readInt32BE(0) !== 0 || batch.readInt32BE(4) !== 0) {
    return refuse(ErrorCode.INVALID_RECORD, 'the base offset of a batch in a produce request is 0; the leader gives the offsets');
  }
  if (sizeBytes > rules.maxMessageBytes) {
    return refuse(ErrorCode.MESSAGE_TOO_LARGE, `batch of ${sizeBytes} bytes exceeds max.message.bytes ${rules.maxMessageBytes}`);
  }
  if (!isBatchCrcValid(batch)) return refuse(ErrorCode.CORRUPT_MESSAGE, 'the batch does not match its CRC');
  const header = readBatchHeader(batch);
  return checkHeader(header) ?? checkRecords(batch, header, rules, nowMs, work);
}

function checkHeader(header: BatchHeader): RefusedProduce | undefined {
  const { attributes, recordCount } = header;
  if (recordCount < 1 || header.lastOffsetDelta !== recordCount - 1) {
    return refuse(
      ErrorCode.INVALID_RECORD,
      `batch says ${recordCount} records, but its last offset delta is ${header.lastOffsetDelta}`,
    );
  }
  if (isControl(attributes)) return refuse(ErrorCode.INVALID_RECORD, 'clients do not write control batches');
  if (header.producerId >= 0 && (header.baseSequence < 0 || header.producerEpoch < 0)) {
    return refuse(
      ErrorCode.INVALID_RECORD,
      `producer ${header.producerId} sent epoch ${header.producerEpoch}, sequence ${header.baseSequence}`,
    );
  }
  if (isTransactional(attributes)) {
    return header.producerId < 0
      ? refuse(ErrorCode.INVALID_RECORD, 'a transactional batch needs a producer id')
      : refuse(ErrorCode.INVALID_TXN_STATE, 'transactions are not available on this broker yet');
  }
  if (codecIdOf(attributes) > CodecId.zstd) {
    return refuse(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, `codec ${codecIdOf(attributes)} is unknown; 0 to 4 are`);
  }
  if (isLogAppendTime(attributes)) {
    return refuse(ErrorCode.INVALID_TIMESTAMP, 'a producer does not set the timestamp type to LogAppendTime; the topic does');
  }
  return undefined;
}

function checkRecords(
  batch: Buffer,
  header: BatchHeader,
  rules: ProduceRules,
  nowMs: number,
  work: CodecWork,
): ValidProduce | RefusedProduce {
  const section = decompressed(batch, header, rules, work);
  const scan = scanRecords(section, header.recordCount, header.baseTimestamp);
  if (!Number.isSafeInteger(scan.maxTimestamp) || !Number.isSafeInteger(scan.minTimestamp)) {
    return refuse(ErrorCode.INVALID_TIMESTAMP, 'a record timestamp is outside -2^53 to 2^53');
  }
  const refused = checkKeysAndTimes(section, header, scan, rules, nowMs);
  if (refused !== undefined) return refused;
  const accepted = useTopicCodec(batch, section, rules, work);
  if (accepted.length > rules.maxMessageBytes) {
    return refuse(
      ErrorCode.MESSAGE_TOO_LARGE,
      `batch of ${accepted.length} bytes, stored with the codec of its topic, exceeds max.message.bytes ${rules.maxMessageBytes}`,
    );
  }
  const isMaxTimestampTrue = rules.logAppendTime || scan.maxTimestamp === header.maxTimestamp;
  if (isMaxTimestampTrue && accepted === batch) return { ok: true, batch, header };
  if (!isMaxTimestampTrue) patchMaxTimestamp(accepted, scan.maxTimestamp, false);
  return { ok: true, batch: accepted, header: readBatchHeader(accepted) };
}

function decompressed(batch: Buffer, header: BatchHeader, rules: ProduceRules, work: CodecWork): Buffer {
  const { maxDecompressedBytes } = rules;
  if (codecIdOf(header.attributes) === CodecId.none) return recordsSection(batch, header, maxDecompressedBytes);
  // Counts in full where it throws: how far a decoder came is not known.
  work.bytes += maxDecompressedBytes;
  const section = recordsSection(batch, header, maxDecompressedBytes);
  work.bytes += section.length - maxDecompressedBytes;
  return section;
}

function useTopicCodec(batch: Buffer, section: Buffer, rules: ProduceRules, work: CodecWork): Buffer {
  const { codecId } = rules;
  if (codecId === undefined || codecId === codecIdOf(batch.readInt16BE(BatchField.attributes))) return batch;
  if (codecId !== CodecId.none) work.bytes += COMPRESSING_WEIGHT * section.length;
  return recompressBatch(batch, section, codecId, rules.compressionLevel);
}

function checkKeysAndTimes(
  section: Buffer,
  header: BatchHeader,
  scan: RecordScan,
  rules: ProduceRules,
  nowMs: number,
): RefusedProduce | undefined {
  const earliest = nowMs - rules.timestampBeforeMaxMs;
  const latest = nowMs + rules.timestampAfterMaxMs;
  const hasWrongTime =
    !rules.logAppendTime && (isOutside(scan.minTimestamp, earliest, latest) || isOutside(scan.maxTimestamp, earliest, latest));
  const hasWrongKey = rules.compactedTopic && scan.keylessCount > 0;
  if (!hasWrongTime && !hasWrongKey) return undefined;
  const recordErrors = recordErrorsIn(section, header, rules, hasWrongTime, earliest, latest);
  return hasWrongTime
    ? { ...refuse(ErrorCode.INVALID_TIMESTAMP, 'one or more records have an invalid timestamp'), recordErrors }
    : { ...refuse(ErrorCode.INVALID_RECORD, 'one or more records have no key, and the topic is compacted'), recordErrors };
}

function isOutside(timestamp: number, earliest: number, latest: number): boolean {
  return timestamp !== NO_TIMESTAMP && (timestamp < earliest || timestamp > latest);
}

/** Names the records at fault; apart from the check itself, which costs no closure that way. */
function recordErrorsIn(
  section: Buffer,
  header: BatchHeader,
  rules: ProduceRules,
  hasWrongTime: boolean,
  earliest: number,
  latest: number,
): RecordError[] {
  const recordErrors: RecordError[] = [];
  scanRecords(section, header.recordCount, header.baseTimestamp, (index, timestamp, hasKey) => {
    if (recordErrors.length >= MAX_RECORD_ERRORS) return;
    if (rules.compactedTopic && !hasKey) {
      recordErrors.push({ batchIndex: index, message: 'a compacted topic takes no record without a key' });
    } else if (hasWrongTime && isOutside(timestamp, earliest, latest)) {
      recordErrors.push({ batchIndex: index, message: `timestamp ${timestamp} is not within ${earliest} to ${latest}` });
    }
  });
  return recordErrors;
}

function codeOf(error: RecordFormatError): ErrorCode {
  switch (error.reason) {
    case 'size':
    case 'magic':
    case 'crc':
      return ErrorCode.CORRUPT_MESSAGE;
    case 'timestamp-range':
      return ErrorCode.INVALID_TIMESTAMP;
    case 'codec':
      return ErrorCode.UNSUPPORTED_COMPRESSION_TYPE;
    case 'range':
    case 'record':
    case 'compressed-data':
    case 'decompressed-size':
      return ErrorCode.INVALID_RECORD;
  }
}

function refuse(errorCode: ErrorCode, message: string): RefusedProduce {
  return { ok: false, errorCode, message, recordErrors: [] };
}
