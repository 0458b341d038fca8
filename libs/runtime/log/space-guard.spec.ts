import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from '../ports/disk';
import { SpaceGuard } from './space-guard';

const MARGIN_BYTES = 100;
const A_SECOND_MS = 1_000;

describe('the space guard', () => {
  let clock: VirtualClock;
  let freeBytes: number;
  let guard: SpaceGuard;
  let rooms: number;

  beforeEach(async () => {
    clock = new VirtualClock();
    freeBytes = 1_000;
    const disk: Pick<Disk, 'space'> = { space: () => Promise.resolve({ freeBytes, totalBytes: 10_000 }) };
    rooms = 0;
    guard = new SpaceGuard(disk as Disk, clock, '/data', MARGIN_BYTES, () => (rooms += 1));
    await guard.refresh();
  });

  it('keeps the margin free of what is still to be written, but for internal records', () => {
    guard.unwrittenBytes += 899;
    expect(guard.allows(false)).toBe(true);
    guard.unwrittenBytes += 1;
    expect(guard.allows(false)).toBe(false);
    expect(guard.allows(true)).toBe(true);
  });

  it('counts what was written since the disk was asked: a fast disk fills within a second', () => {
    for (let batch = 0; batch < 9; batch += 1) {
      expect(guard.allows(false)).toBe(true);
      guard.unwrittenBytes += 100;
      guard.unwrittenBytes -= 100;
    }
    expect(guard.allows(false)).toBe(false);
  });

  it('does not count it twice once the disk was asked again', async () => {
    guard.unwrittenBytes += 500;
    guard.unwrittenBytes -= 500;
    freeBytes = 500;
    await guard.refresh();
    guard.unwrittenBytes += 399;
    expect(guard.allows(false)).toBe(true);
  });

  it('lets writing resume by itself when there is space again', async () => {
    guard.noteFull();
    expect(guard.allows(false)).toBe(false);
    clock.advance(A_SECOND_MS);
    // The answer to this question is the old one, and it makes the guard look.
    expect(guard.allows(false)).toBe(false);
    await Promise.resolve();
    await Promise.resolve();
    expect(guard.allows(false)).toBe(true);
  });

  it('tells once that there is room again for what a full disk refused, and nothing more when it is closed', async () => {
    const pass = async (seconds: number): Promise<void> => {
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(A_SECOND_MS);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    guard.unwrittenBytes += 500;
    freeBytes = 300;
    guard.noteFull();
    await pass(5);
    expect(rooms).toBe(0);
    freeBytes = 1_000;
    await pass(5);
    expect(rooms).toBe(1);
    guard.noteFull();
    guard.close();
    await pass(5);
    expect(rooms).toBe(1);
  });
});
