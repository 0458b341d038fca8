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
