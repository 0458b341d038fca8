import { describe, expect, it } from 'vitest';
import { checkpointDue, retryDelayMs } from './checkpoint-policy';
import { hasSpace } from './space-policy';

const SETTINGS = { stepBytes: 1000, intervalMs: 500 };
const QUIET = {
  journalBytesSinceRedo: 10,
  dirty: true,
  sinceLastMs: 0,
  lastDurationMs: 0,
  consecutiveFailures: 0,
  pressed: false,
};

describe('checkpointDue', () => {
  it('waits for bytes, for time, or for the journal to ask (J-7)', () => {
    expect(checkpointDue(QUIET, SETTINGS)).toBe(false);
    expect(checkpointDue({ ...QUIET, journalBytesSinceRedo: 1000 }, SETTINGS)).toBe(true);
    expect(checkpointDue({ ...QUIET, sinceLastMs: 500 }, SETTINGS)).toBe(true);
    expect(checkpointDue({ ...QUIET, pressed: true }, SETTINGS)).toBe(false);
    expect(checkpointDue({ ...QUIET, pressed: true, sinceLastMs: 10 }, SETTINGS)).toBe(true);
    expect(checkpointDue({ ...QUIET, pressed: true, sinceLastMs: 10, dirty: false }, SETTINGS)).toBe(false);
  });

  it('leaves the disk alone for four times as long as the last one took', () => {
    expect(checkpointDue({ ...QUIET, sinceLastMs: 500, lastDurationMs: 300 }, SETTINGS)).toBe(false);
    expect(checkpointDue({ ...QUIET, sinceLastMs: 1200, lastDurationMs: 300 }, SETTINGS)).toBe(true);
  });

  it('backs off after failures, up to five seconds', () => {
    expect([0, 1, 2, 3, 99].map(retryDelayMs)).toEqual([0, 100, 200, 400, 5000]);
    expect(checkpointDue({ ...QUIET, pressed: true, consecutiveFailures: 1, sinceLastMs: 99 }, SETTINGS)).toBe(false);
  });
});

describe('hasSpace', () => {
  it('keeps room for what is not written yet and a margin, which internal records may use (S-10)', () => {
    const facts = { freeBytes: 150, unwrittenBytes: 100, marginBytes: 60, internal: false };
    expect(hasSpace(facts)).toBe(false);
    expect(hasSpace({ ...facts, internal: true })).toBe(true);
    expect(hasSpace({ ...facts, freeBytes: 161 })).toBe(true);
    expect(hasSpace({ ...facts, freeBytes: 100, internal: true })).toBe(false);
  });
});
