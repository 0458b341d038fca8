import { NO_TIMESTAMP } from './batch-header';
import { RecordFormatError } from './record-format-error';
import { VarintReader } from './varint';

/** What one pass over the records of a batch finds, without an object per record. */
export interface RecordScan {
  /** Records without a key (a compacted topic refuses them). */
  readonly keylessCount: number;
  /** The largest timestamp, -1 where no record has one. */
  readonly maxTimestamp: number;
  /** The smallest timestamp of those that have one, -1 where no record has. */
  readonly minTimestamp: number;
}

/** Called with the index and the absolute timestamp of each record; for error lists, not for the hot path. */
export type RecordVisitor = (index: number, timestamp: number, hasKey: boolean) => void;

/**
 * Walks the uncompressed records in `records` once and checks their structure: lengths add up, offset deltas are 0, 1,
 * 2 ..., there are `recordCount` of them and nothing after. Costs a few varints a record, touches no key or value.
 *
 * @throws RecordFormatError naming the record that is wrong.
 */
export function scanRecords(records: Buffer, recordCount: number, baseTimestamp: number, visit?: RecordVisitor): RecordScan {
  const reader = new VarintReader(records, 0, records.length);
  let keylessCount = 0;
  let maxTimestamp = NO_TIMESTAMP;
  let minTimestamp = Number.MAX_SAFE_INTEGER;
  for (let index = 0; index < recordCount; index += 1) {
    const sizeBytes = reader.readVarint();
    const recordEnd = reader.position + sizeBytes;
    if (sizeBytes < 0 || recordEnd > reader.end) throw wrongRecord(index, `size ${sizeBytes} reaches beyond the batch`);
    reader.skip(1);
    const timestamp = baseTimestamp + reader.readVarlong();
    const offsetDelta = reader.readVarint();
    if (offsetDelta !== index) throw wrongRecord(index, `offset delta is ${offsetDelta}, not ${index}`);
    const keyBytes = reader.readVarint();
    if (keyBytes > 0) reader.skip(keyBytes);
    if (keyBytes < 0) keylessCount += 1;
    const valueBytes = reader.readVarint();
    if (valueBytes > 0) reader.skip(valueBytes);
    skipHeaders(reader, index, recordEnd);
    if (reader.position !== recordEnd) throw wrongRecord(index, `size says ${sizeBytes} bytes, its fields take another number`);
    if (timestamp > maxTimestamp) maxTimestamp = timestamp;
    if (timestamp < minTimestamp && timestamp !== NO_TIMESTAMP) minTimestamp = timestamp;
    if (visit !== undefined) visit(index, timestamp, keyBytes >= 0);
  }
  if (reader.position !== reader.end) {
    throw new RecordFormatError(`${reader.end - reader.position} bytes follow the last of ${recordCount} records`, 'record');
  }
  return { keylessCount, maxTimestamp, minTimestamp: minTimestamp === Number.MAX_SAFE_INTEGER ? NO_TIMESTAMP : minTimestamp };
}

function skipHeaders(reader: VarintReader, index: number, recordEnd: number): void {
  const headerCount = reader.readVarint();
  if (headerCount < 0 || headerCount > recordEnd - reader.position) throw wrongRecord(index, `has ${headerCount} headers`);
  for (let header = 0; header < headerCount; header += 1) {
    reader.skip(reader.readVarint());
    const valueBytes = reader.readVarint();
    if (valueBytes > 0) reader.skip(valueBytes);
  }
}

function wrongRecord(index: number, what: string): RecordFormatError {
  return new RecordFormatError(`record ${index}: ${what}`, 'record');
}
