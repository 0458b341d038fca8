import { BatchField, codecIdOf, isLogAppendTime } from './batch-header';
import type { BatchHeader } from './batch-header';
import { CodecId, decompress } from './codecs/codec';
import { RecordFormatError } from './record-format-error';
import { VarintReader } from './varint';

export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** One record of a batch. Key, value and header values are views into the batch (or its decompressed bytes): copy what is kept. */
export class RecordView {
  constructor(
    readonly offset: number,
    /** -1: none. */
    readonly timestamp: number,
    readonly key: Buffer | null,
    readonly value: Buffer | null,
    readonly headerCount: number,
    private readonly headerReader: VarintReader,
  ) {}

  /** Reads the headers; each call anew. */
  headers(): RecordHeader[] {
    const reader = new VarintReader(this.headerReader.buffer, this.headerReader.position, this.headerReader.end);
    const headers: RecordHeader[] = [];
    for (let index = 0; index < this.headerCount; index += 1) {
      const key = readBytes(reader);
      if (key === null) throw new RecordFormatError('a record header has no key', 'record');
      headers.push({ key: key.toString('utf8'), value: readBytes(reader) });
    }
    return headers;
  }
}

/** The records section of the batch that fills `batch`, decompressed to at most `maxBytes`; a view where it is not compressed. */
export function recordsSection(batch: Buffer, header: BatchHeader, maxBytes: number): Buffer {
  const section = batch.subarray(BatchField.records, header.sizeBytes);
  const codecId = codecIdOf(header.attributes);
  if (codecId === CodecId.none) return section;
  return decompress(codecId, section, maxBytes);
}

/**
 * The records of the batch that fills `batch`, read one by one as they are asked for.
 *
 * @param maxDecompressedBytes what the records may take when decompressed.
 * @throws RecordFormatError where a record is wrong or the batch holds fewer than it says.
 */
export function* recordsOf(batch: Buffer, header: BatchHeader, maxDecompressedBytes: number): Generator<RecordView, void, void> {
  const section = recordsSection(batch, header, maxDecompressedBytes);
  const reader = new VarintReader(section, 0, section.length);
  const appendTime = isLogAppendTime(header.attributes) ? header.maxTimestamp : undefined;
  for (let index = 0; index < header.recordCount; index += 1) yield readRecord(reader, header, appendTime);
}

function readRecord(batchReader: VarintReader, header: BatchHeader, appendTime: number | undefined): RecordView {
  const sizeBytes = batchReader.readVarint();
  const start = batchReader.position;
  batchReader.skip(sizeBytes);
  const reader = new VarintReader(batchReader.buffer, start, batchReader.position);
  reader.readByte();
  const timestamp = header.baseTimestamp + reader.readVarlong();
  const offset = header.baseOffset + reader.readVarint();
  const key = readBytes(reader);
  const value = readBytes(reader);
  const headerCount = reader.readVarint();
  if (headerCount < 0 || headerCount > reader.end - reader.position) {
    throw new RecordFormatError(`record at offset ${offset} says it has ${headerCount} headers`, 'record');
  }
  return new RecordView(offset, appendTime ?? timestamp, key, value, headerCount, reader);
}

function readBytes(reader: VarintReader): Buffer | null {
  const length = reader.readVarint();
  if (length < 0) return null;
  const start = reader.position;
  reader.skip(length);
  return reader.buffer.subarray(start, start + length);
}
