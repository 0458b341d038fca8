import type { Segment } from './segment';

/** The part of the topic's settings that retention looks at; -1 is "no limit". */
export interface RetentionSettings {
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

/** How far retention may go now. */
export interface RetentionBounds {
  readonly logStartOffset: number;
  /** Nothing at or after it is removed. */
  readonly highWatermark: number;
  readonly nowMs: number;
}

/**
 * The offset at which the log should begin after retention by time and by size (Kafka's deleteOldSegments): whole segments from
 * the oldest on, none that reaches beyond the high watermark, never the active one (it is closed first where it has expired, see
 * `activeHasExpired`).
 */
export function retainedStart(segments: readonly Segment[], settings: RetentionSettings, bounds: RetentionBounds): number {
  let start = bounds.logStartOffset;
  let excessBytes = settings.retentionBytes < 0 ? 0 : totalBytes(segments) - settings.retentionBytes;
  for (const segment of segments) {
    if (!segment.closed || segment.endOffset > bounds.highWatermark) break;
    const tooMany = settings.retentionBytes >= 0 && excessBytes >= segment.sizeBytes;
    if (!tooMany && !expired(segment, settings, bounds.nowMs)) break;
    excessBytes -= segment.sizeBytes;
    start = Math.max(start, segment.endOffset);
  }
  return start;
}

/** Whether the active segment should be closed because all it holds is past `retention.ms`. */
export function activeHasExpired(active: Segment, settings: RetentionSettings, bounds: RetentionBounds): boolean {
  return (
    !active.closed && active.sizeBytes > 0 && active.endOffset <= bounds.highWatermark && expired(active, settings, bounds.nowMs)
  );
}

/**
 * The segments, oldest first, whose files may go: they end at or before the log's start, are closed and fully synced, so that no
 * journal record above the redo position would write to them again (S-7).
 */
export function removableSegments(segments: readonly Segment[], logStartOffset: number): Segment[] {
  const kept = segments.findIndex((segment) => !segment.closed || !segment.fullySynced || segment.endOffset > logStartOffset);
  return segments.slice(0, kept < 0 ? segments.length : kept);
}

function expired(segment: Segment, settings: RetentionSettings, nowMs: number): boolean {
  return settings.retentionMs >= 0 && nowMs - segmentTimestamp(segment) > settings.retentionMs;
}

/** The largest timestamp in the segment; where its records carry none, when it was made. */
function segmentTimestamp(segment: Segment): number {
  return segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.createdMs;
}

function totalBytes(segments: readonly Segment[]): number {
  let sum = 0;
  for (const segment of segments) sum += segment.sizeBytes;
  return sum;
}
