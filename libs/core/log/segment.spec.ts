import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { activeHasExpired, removableSegments, retainedStart } from './retention';
import { shouldRoll } from './roll';
import { Segment, findSegment } from './segment';
import { SparseIndex } from './sparse-index';

const SETTINGS = { segmentBytes: 1000, segmentMs: 100, segmentIndexBytes: 80 };

/** A segment of batches of 100 bytes, one record and one millisecond each. */
function segmentOf(baseOffset: number, batches: number, closed = false, intervalBytes = 0): Segment {
  const segment = new Segment(baseOffset, 0, 0);
  for (let at = 0; at < batches; at += 1) {
    const offset = baseOffset + at;
    segment.append({ baseOffset: offset, lastOffset: offset, sizeBytes: 100, maxTimestamp: offset }, intervalBytes);
  }
  segment.closed = closed;
  segment.written = segment.synced = segment.appended;
  return segment;
}

function batchAt(
  offset: number,
  timestamp = offset,
  sizeBytes = 100,
): { baseOffset: number; lastOffset: number; sizeBytes: number; maxTimestamp: number } {
  return { baseOffset: offset, lastOffset: offset, sizeBytes, maxTimestamp: timestamp };
}

describe('shouldRoll', () => {
  it('rolls where the batch does not fit, never before the first batch', () => {
    expect(shouldRoll(segmentOf(0, 9, false, 4096), batchAt(9), SETTINGS, 0, 0)).toBe(false);
    expect(shouldRoll(segmentOf(0, 10, false, 4096), batchAt(10), SETTINGS, 0, 0)).toBe(true);
    expect(shouldRoll(segmentOf(0, 0), batchAt(0, 0, 5000), SETTINGS, 0, 0)).toBe(false);
  });

  it('rolls by the time between first record and batch, less the jitter', () => {
    expect(shouldRoll(segmentOf(0, 1), batchAt(1, 100), SETTINGS, 0, 0)).toBe(false);
    expect(shouldRoll(segmentOf(0, 1), batchAt(1, 101), SETTINGS, 0, 0)).toBe(true);
    expect(shouldRoll(segmentOf(0, 1), batchAt(1, 95), SETTINGS, 0, 10)).toBe(true);
  });

  it('rolls where the index is full, and where an offset does not fit into 31 bits beyond the base', () => {
    expect(shouldRoll(segmentOf(0, 9, false, 0), batchAt(9), { ...SETTINGS, segmentIndexBytes: 72 }, 0, 0)).toBe(true);
    expect(shouldRoll(segmentOf(0, 1), batchAt(2 ** 31, 0), SETTINGS, 0, 0)).toBe(true);
  });
});

describe('retention', () => {
  const forever = { retentionMs: -1, retentionBytes: -1 };
  const segments = [segmentOf(0, 10, true), segmentOf(10, 10, true), segmentOf(20, 10)];

  it('removes whole closed segments by size, oldest first, and keeps at least the bytes asked for', () => {
    const bounds = { logStartOffset: 0, highWatermark: 30, nowMs: 0 };
    expect(retainedStart(segments, forever, bounds)).toBe(0);
    expect(retainedStart(segments, { ...forever, retentionBytes: 2001 }, bounds)).toBe(0);
    expect(retainedStart(segments, { ...forever, retentionBytes: 2000 }, bounds)).toBe(10);
    expect(retainedStart(segments, { ...forever, retentionBytes: 0 }, bounds)).toBe(20);
  });

  it('removes by the largest timestamp, and nothing beyond the high watermark', () => {
    const settings = { ...forever, retentionMs: 5 };
    expect(retainedStart(segments, settings, { logStartOffset: 0, highWatermark: 30, nowMs: 15 })).toBe(10);
    expect(retainedStart(segments, settings, { logStartOffset: 0, highWatermark: 15, nowMs: 100 })).toBe(10);
    expect(activeHasExpired(segmentOf(20, 10), settings, { logStartOffset: 0, highWatermark: 30, nowMs: 100 })).toBe(true);
    expect(activeHasExpired(segmentOf(20, 10), settings, { logStartOffset: 0, highWatermark: 29, nowMs: 100 })).toBe(false);
  });

  it('unlinks only what is closed and synced (S-7)', () => {
    const unsynced = segmentOf(10, 10, true);
    unsynced.synced = { bytes: 500, endOffset: 15 };
    expect(removableSegments([segmentOf(0, 10, true), unsynced], 20)).toHaveLength(1);
    expect(removableSegments(segments, 30)).toHaveLength(2);
    expect(removableSegments(segments, 19)).toHaveLength(1);
  });
});

describe('Segment', () => {
  it('finds the segment of an offset, and the next one for an offset in a gap', () => {
    const segments = [segmentOf(0, 10, true), segmentOf(20, 10)];
    expect(findSegment(segments, 9)?.baseOffset).toBe(0);
    expect(findSegment(segments, 10)?.baseOffset).toBe(20);
    expect(findSegment(segments, 30)).toBeUndefined();
  });

  it('changes its generation when it is cut, so that a sync under way counts for nothing (S-5)', () => {
    const segment = segmentOf(0, 10);
    const { generation } = segment;
    segment.truncateTo({ bytes: 300, endOffset: 3 });
    expect(segment.generation).not.toBe(generation);
    expect(segment.synced).toEqual({ bytes: 300, endOffset: 3 });
    expect(segment.index.floor(99)?.offset).toBeLessThan(3);
  });
});

describe('SparseIndex', () => {
  it('finds the last entry at or before an offset, and before a time, as a search through all would', () => {
    const gaps = fc.array(fc.record({ offsets: fc.integer({ min: 1, max: 9 }), ms: fc.nat(9) }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(gaps, fc.nat(300), (steps, target) => {
        const index = new SparseIndex(5);
        const entries: { offset: number; positionBytes: number; before: number }[] = [];
        let offset = 5;
        let before = -1;
        for (const [at, step] of steps.entries()) {
          index.add(offset, at * 10, before);
          entries.push({ offset, positionBytes: at * 10, before });
          offset += step.offsets;
          before += step.ms;
        }
        const place = (entry: (typeof entries)[number] | undefined): unknown =>
          entry && { offset: entry.offset, positionBytes: entry.positionBytes };
        expect(index.floor(target)).toEqual(place(entries.findLast((entry) => entry.offset <= target)));
        expect(index.floorByTime(target)).toEqual(place(entries.findLast((entry) => entry.before < target)));
      }),
    );
  });
});
