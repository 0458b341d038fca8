/** What is wrong with bytes that should be record batches. */
export type RecordFormatReason =
  | 'size'
  | 'magic'
  | 'crc'
  /** An int64 outside 2^53 that is no timestamp. */
  | 'range'
  /** A timestamp outside 2^53. */
  | 'timestamp-range'
  /** A record's lengths, deltas or count do not add up. */
  | 'record'
  /** A codec id that means nothing. */
  | 'codec'
  /** Compressed bytes that their codec cannot read. */
  | 'compressed-data'
  /** Decompressed, the records would take more bytes than allowed. */
  | 'decompressed-size';

/** Bytes that are no valid record batch; the message says where and why. */
export class RecordFormatError extends Error {
  constructor(
    message: string,
    readonly reason: RecordFormatReason,
  ) {
    super(message);
    this.name = 'RecordFormatError';
  }
}
