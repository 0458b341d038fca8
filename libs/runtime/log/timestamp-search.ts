import type { LeaderEpoch, Offset, TimestampMs } from '@streamline/core/types/ids';
import type { Segment } from '@streamline/core/log/segment';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { recordsOf } from '@streamline/wire/records/record-view';
import type { DiskPartitionLog } from './disk-partition-log';
import type { TimestampOffset } from './log-engine';

const WINDOW_BYTES = 1 << 20;

/** The first record at or after `timestamp` from the log's start on, of those below `upTo`. */
export async function findTimestamp(
  log: DiskPartitionLog,
  timestamp: number,
  upTo: Offset,
): Promise<TimestampOffset | undefined> {
  for (const segment of [...log.state.segments]) {
    if (segment.maxTimestamp < timestamp || segment.endOffset <= log.logStartOffset) continue;
    if (segment.baseOffset >= upTo) return undefined;
    const place = await log.reader.indexes.findByTime(segment, timestamp);
    const from = Math.max(place.offset, log.logStartOffset);
    const found = await scan(log, from, Math.min(upTo, segment.endOffset), (batch) => firstAtOrAfter(log, batch, timestamp));
    if (found !== undefined && found.offset < upTo) return found;
  }
  return undefined;
}

/** The record with the highest timestamp below `upTo`, the earliest of equals (KIP-734). */
export async function findMaxTimestamp(log: DiskPartitionLog, upTo: Offset): Promise<TimestampOffset | undefined> {
  let best: Segment | undefined;
  for (const segment of log.state.segments) {
    if (segment.baseOffset >= upTo || segment.endOffset <= log.logStartOffset || segment.maxTimestamp < 0) continue;
    if (segment.maxTimestamp > (best?.maxTimestamp ?? -1)) best = segment;
  }
  if (best === undefined) return undefined;
  const known = best.maxTimestampOffset;
  if (known >= log.logStartOffset && known < upTo) {
    const wanted = best.maxTimestamp;
    const found = await scan(log, known, Math.min(upTo, best.endOffset), (batch) => firstAtOrAfter(log, batch, wanted) ?? 'stop');
    if (found !== undefined && found.timestamp === wanted) return found;
  }
  return scanForMax(log, upTo);
}

/** Looks at every batch: the record that the segments name is not within the bounds. */
async function scanForMax(log: DiskPartitionLog, upTo: Offset): Promise<TimestampOffset | undefined> {
  let best: TimestampOffset | undefined;
  await scan(log, log.logStartOffset, upTo, (batch) => {
    const { maxTimestamp } = readBatchHeader(batch);
    if (maxTimestamp <= (best?.timestamp ?? -1)) return undefined;
    const found = firstAtOrAfter(log, batch, maxTimestamp);
    if (found !== undefined) best = found;
    return undefined;
  });
  return best;
}

/** Visits the whole batches between two offsets until `visit` finds something, or says `stop`. */
async function scan(
  log: DiskPartitionLog,
  from: number,
  upTo: number,
  visit: (batch: Buffer) => TimestampOffset | 'stop' | undefined,
): Promise<TimestampOffset | undefined> {
  let offset = from;
  while (offset < upTo) {
    const { chunks } = await log.read(offset as Offset, { maxBytes: WINDOW_BYTES, minOneBatch: true, upTo: upTo as Offset });
    if (chunks.length === 0) return undefined;
    for (const chunk of chunks) {
      for (const batch of batchesIn(chunk)) {
        const found = visit(batch);
        if (found === 'stop') return undefined;
        if (found !== undefined) return found;
        const header = readBatchHeader(batch);
        offset = header.baseOffset + header.lastOffsetDelta + 1;
      }
    }
  }
  return undefined;
}

function firstAtOrAfter(log: DiskPartitionLog, batch: Buffer, timestamp: number): TimestampOffset | undefined {
  const header = readBatchHeader(batch);
  if (header.maxTimestamp < timestamp) return undefined;
  for (const record of recordsOf(batch, header, log.context.limits.decompressedBatchBytes)) {
    if (record.timestamp >= timestamp && record.offset >= log.logStartOffset) {
      return {
        offset: record.offset as Offset,
        timestamp: record.timestamp as TimestampMs,
        leaderEpoch: header.partitionLeaderEpoch as LeaderEpoch,
      };
    }
  }
  return undefined;
}
