import type { BatchExtent, Segment } from './segment';

/** Bytes that an offset index entry counts in Kafka: `segment.index.bytes` is given in them. */
const INDEX_ENTRY_BYTES = 8;

const MAX_RELATIVE_OFFSET = 0x7fff_ffff;

/** The part of the topic's settings that rolling looks at; see `LogConfig`. */
export interface RollSettings {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentIndexBytes: number;
}

/**
 * Whether the active segment is full before this batch (Kafka's LogSegment.shouldRoll): by size, by time, by a full index, or
 * because the batch's last offset is more than an int32 beyond its base. An empty segment never is.
 * @param jitterMs this segment's random share of `segment.jitter.ms`
 */
export function shouldRoll(
  segment: Segment,
  batch: BatchExtent,
  settings: RollSettings,
  nowMs: number,
  jitterMs: number,
): boolean {
  if (segment.sizeBytes === 0) return batch.lastOffset - segment.baseOffset > MAX_RELATIVE_OFFSET;
  if (segment.closed) return true;
  return (
    segment.sizeBytes + batch.sizeBytes > settings.segmentBytes ||
    segment.index.length >= Math.floor(settings.segmentIndexBytes / INDEX_ENTRY_BYTES) ||
    batch.lastOffset - segment.baseOffset > MAX_RELATIVE_OFFSET ||
    reachedRollTime(segment, batch.maxTimestamp, settings.segmentMs - jitterMs, nowMs)
  );
}

/** Whether the active segment is old enough to be closed although nothing is appended (`segment.ms`). */
export function shouldRollByTime(segment: Segment, settings: RollSettings, nowMs: number, jitterMs: number): boolean {
  return segment.sizeBytes > 0 && !segment.closed && nowMs - segment.createdMs > settings.segmentMs - jitterMs;
}

function reachedRollTime(segment: Segment, batchTimestamp: number, rollMs: number, nowMs: number): boolean {
  if (segment.firstTimestamp >= 0 && batchTimestamp >= 0) return batchTimestamp - segment.firstTimestamp > rollMs;
  return nowMs - segment.createdMs > rollMs;
}
