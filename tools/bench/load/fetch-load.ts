import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { BatchField } from '@streamline/wire/records/batch-header';
import { FrameRing } from './frame-ring';
import type { AnswerReader } from './load-connection';

const OFFSET_MARKER = 0x0102030405060708n;
const LOG_POSITIONS_BYTES = 3 * 8;
const PREFERRED_REPLICA_BYTES = 4;

export interface FetchPlan {
  readonly version: number;
  readonly topic: string;
  readonly partition: number;
  /** Batches, all alike, that the partition holds from offset 0 on. */
  readonly batches: number;
  readonly batchBytes: number;
  readonly recordsPerBatch: number;
  readonly maxBytes: number;
  readonly inFlight: number;
}

export interface FetchLoad {
  readonly ring: FrameRing;
  readonly prepare: (slot: number) => void;
  readonly read: AnswerReader;
}

/** Reads a partition from its start to its end and again from the start, `maxBytes` a request. */
export function fetchLoad(plan: FetchPlan): FetchLoad {
  const ring = FrameRing.of(
    fetch,
    plan.version,
    Array.from({ length: plan.inFlight }, () => fetchBody(plan)),
  );
  const offsetAt = ring.positionOf(OFFSET_MARKER);
  const batchesPerFetch = Math.max(1, Math.floor(plan.maxBytes / plan.batchBytes));
  const stepRecords = batchesPerFetch * plan.recordsPerBatch;
  const lastStart = (Math.floor(plan.batches / batchesPerFetch) - 1) * stepRecords;
  const expected: number[] = Array.from({ length: plan.inFlight }, () => 0);
  let next = 0;
  const prepare = (slot: number): void => {
    ring.bytes.writeBigInt64BE(BigInt(next), slot * ring.frameBytes + offsetAt);
    expected[slot] = next;
    next = next >= lastStart ? 0 : next + stepRecords;
  };
  const read: AnswerReader = (buffer, start, frameBytes, slot) => {
    const { recordsAt, recordsBytes } = locateRecords(buffer, start, plan.topic);
    if (recordsBytes < plan.batchBytes || recordsBytes > frameBytes) {
      throw new Error(`Fetch from offset ${expected[slot]} brought ${recordsBytes} bytes of records`);
    }
    const baseOffset = Number(buffer.readBigInt64BE(recordsAt + BatchField.baseOffset));
    if (baseOffset !== expected[slot]) throw new Error(`Fetch from offset ${expected[slot]} brought offset ${baseOffset}`);
    return Math.floor(recordsBytes / plan.batchBytes) * plan.batchBytes;
  };
  return { ring, prepare, read };
}

function fetchBody(plan: FetchPlan) {
  const partition = { partition: plan.partition, fetchOffset: OFFSET_MARKER, partitionMaxBytes: plan.maxBytes };
  return {
    maxWaitMs: 500,
    minBytes: 1,
    maxBytes: Math.max(plan.maxBytes, 1024) * 2,
    topics: [{ topic: plan.topic, partitions: [partition] }],
  };
}

/**
 * Finds the records in an answer to Fetch v12 for one partition:
 * `size | correlation id | tags | throttle | error | session | 1 topic | name | 1 partition | index | error |
 * high watermark | last stable offset | log start | aborted | preferred replica | records`.
 * @throws where an error code is set
 */
function locateRecords(buffer: Buffer, start: number, topic: string): { recordsAt: number; recordsBytes: number } {
  let at = start + 4 + 4 + 1 + 4;
  const error = buffer.readInt16BE(at);
  at += 2 + 4 + 1 + 1 + Buffer.byteLength(topic) + 1 + 4;
  const partitionError = error !== 0 ? error : buffer.readInt16BE(at);
  if (partitionError !== 0) throw new Error(`Fetch was answered with error ${partitionError}`);
  at += 2 + LOG_POSITIONS_BYTES;
  if ((buffer[at] ?? 0) > 1) throw new Error('Fetch named aborted transactions where there are none');
  at += 1 + PREFERRED_REPLICA_BYTES;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = buffer[at++] ?? 0;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return { recordsAt: at, recordsBytes: length - 1 };
}
