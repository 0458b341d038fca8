import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { BATCH_OVERHEAD_BYTES } from '@streamline/wire/records/batch-header';
import { FrameRing } from './frame-ring';
import type { AnswerReader } from './load-connection';

/** A record's bytes beside its value, at the sizes used here (length, deltas, no key, value's length, no headers). */
const RECORD_OVERHEAD_BYTES = 10;

/** A batch that fills `batchBytes` but is not larger, with records of about `recordBytes` each. */
export function batchOf(batchBytes: number, recordBytes: number): Buffer {
  const count = Math.max(1, Math.floor(batchBytes / recordBytes));
  const value = Buffer.alloc(Math.floor((batchBytes - BATCH_OVERHEAD_BYTES) / count) - RECORD_OVERHEAD_BYTES);
  for (let at = 0; at < value.length; at += 1) value[at] = (at * 31 + (at >> 8) * 17) & 0xff;
  return buildBatch({ records: Array.from({ length: count }, () => ({ value })), timestamp: Date.now() });
}

/** A batch of one record whose value is `valueBytes` long. */
export function batchOfOne(valueBytes: number): Buffer {
  return buildBatch({ records: [{ value: Buffer.alloc(valueBytes, 0x61) }], timestamp: Date.now() });
}

export interface ProduceRing {
  readonly version: number;
  readonly topic: string;
  /** The partition of each slot; one batch goes to each. */
  readonly partitions: readonly number[];
  readonly batch: Buffer;
}

export function produceRing({ version, topic, partitions, batch }: ProduceRing): FrameRing {
  const bodies = partitions.map((index) => ({
    acks: -1,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData: [{ index, records: batch }] }],
  }));
  return FrameRing.of(produce, version, bodies);
}

/** One request that appends `batch` to each of many partitions. */
export function wideProduceRing({ version, topic, partitions, batch }: ProduceRing, slots: number): FrameRing {
  const partitionData = partitions.map((index) => ({ index, records: batch }));
  const body = { acks: -1, timeoutMs: 30_000, topicData: [{ name: topic, partitionData }] };
  return FrameRing.of(
    produce,
    version,
    Array.from({ length: slots }, () => body),
  );
}

/**
 * Reads the error code of the first partition of an answer to Produce v9 to v12, which stands at a fixed place:
 * `size | correlation id | tags | 1 topic | name | partitions | index | error code`.
 */
export function produceAnswerReader(topic: string, batchBytes: number, partitionsPerRequest = 1): AnswerReader {
  const arrayLengthBytes = partitionsPerRequest + 1 > 127 ? 2 : 1;
  const errorAt = 4 + 4 + 1 + 1 + 1 + Buffer.byteLength(topic) + arrayLengthBytes + 4;
  const payloadBytes = batchBytes * partitionsPerRequest;
  return (buffer, start) => {
    const code = buffer.readInt16BE(start + errorAt);
    if (code !== 0) throw new Error(`Produce was answered with error ${code}`);
    return payloadBytes;
  };
}
