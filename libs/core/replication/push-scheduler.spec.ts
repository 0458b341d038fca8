import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PushClass } from './effects';
import { DEFAULT_PUSH_LIMITS, PUSH_OVERHEAD_BYTES, PushScheduler } from './push-scheduler';
import type { PushLimits } from './push-scheduler';

function scheduler(limits: Partial<PushLimits> = {}): PushScheduler<string> {
  return new PushScheduler<string>({ ...DEFAULT_PUSH_LIMITS, ...limits });
}

/** One frame, in which each partition sends so many bytes. */
function frame(of: PushScheduler<string>, nowMs: number, bytes = 100): string[] {
  const sent: string[] = [];
  of.beginFrame();
  for (let next = of.nextForFrame(nowMs); next !== undefined; next = of.nextForFrame(nowMs)) {
    sent.push(next.partition);
    of.sent(next.partition, next.pushClass, next.pushClass === 'announce' ? 0 : bytes);
  }
  return sent;
}

describe('a push scheduler', () => {
  it('serves partitions in turn, each once for what it has', () => {
    const pushes = scheduler();
    for (const partition of ['a', 'b', 'a', 'c']) pushes.due(partition, 'tail', 0);
    expect(frame(pushes, 0)).toEqual(['a', 'b', 'c']);
    expect(frame(pushes, 0)).toEqual([]);
  });

  it('puts a partition that has more behind the others', () => {
    const pushes = scheduler({ framePartitionsMax: 1 });
    pushes.due('a', 'tail', 0);
    pushes.due('b', 'tail', 0);
    pushes.beginFrame();
    expect(pushes.nextForFrame(0)?.partition).toBe('a');
    pushes.due('a', 'tail', 0);
    pushes.sent('a', 'tail', 10);
    expect(frame(pushes, 0)).toEqual(['b']);
    expect(frame(pushes, 0)).toEqual(['a']);
  });

  it('ends a frame at its bytes and at its partitions', () => {
    const bytes = scheduler({ frameBytesMax: 2 * (100 + PUSH_OVERHEAD_BYTES) });
    const partitions = scheduler({ framePartitionsMax: 3 });
    for (const partition of ['a', 'b', 'c', 'd']) {
      bytes.due(partition, 'tail', 0);
      partitions.due(partition, 'tail', 0);
    }
    expect(frame(bytes, 0)).toEqual(['a', 'b']);
    expect(frame(partitions, 0)).toEqual(['a', 'b', 'c']);
  });

  it('lets news of the high watermark wait for company, but not for long', () => {
    const pushes = scheduler({ announceDelayMs: 5 });
    pushes.due('quiet', 'announce', 0);
    expect(frame(pushes, 4)).toEqual([]);
    expect(pushes.nextDeadlineMs(4)).toBe(5);
    expect(frame(pushes, 5)).toEqual(['quiet']);
    pushes.due('quiet', 'announce', 6);
    pushes.due('busy', 'tail', 6);
    expect(frame(pushes, 6)).toEqual(['busy', 'quiet']);
  });

  it('makes of an announcement a push where there is something to send by then', () => {
    const pushes = scheduler();
    pushes.due('a', 'announce', 0);
    pushes.due('a', 'tail', 0);
    expect(frame(pushes, 0)).toEqual(['a']);
    expect(frame(pushes, 100)).toEqual([]);
  });

  it('reads so many segments at once, and takes up afterwards what became due meanwhile', () => {
    const pushes = scheduler({ catchUpReadsMax: 1 });
    pushes.due('a', 'catch-up', 0);
    pushes.due('b', 'catch-up', 0);
    expect(pushes.nextCatchUp(0)?.partition).toBe('a');
    expect(pushes.nextCatchUp(0)).toBeUndefined();
    pushes.due('a', 'tail', 0);
    expect(frame(pushes, 0)).toEqual([]);
    pushes.sent('a', 'catch-up', 100);
    pushes.readEnded('a', 0);
    expect(frame(pushes, 0)).toEqual(['a']);
    expect(pushes.nextCatchUp(0)?.partition).toBe('b');
  });

  it('keeps catch-up within its rate, and tells when it may go on', () => {
    const pushes = scheduler({ catchUpBytesPerSecond: 1_000, frameBytesMax: 500 });
    for (const partition of ['a', 'b']) pushes.due(partition, 'catch-up', 0);
    expect(pushes.nextCatchUp(0)?.partition).toBe('a');
    pushes.sent('a', 'catch-up', 700);
    pushes.readEnded('a', 0);
    expect(pushes.nextCatchUp(0)).toBeUndefined();
    expect(pushes.nextDeadlineMs(0)).toBe(201);
    expect(pushes.nextCatchUp(201)?.partition).toBe('b');
  });

  it('sends nothing to a peer that takes nothing, and goes on when it does', () => {
    const pushes = scheduler({ windowBytes: 300 });
    for (const partition of ['a', 'b', 'c']) pushes.due(partition, 'tail', 0);
    expect(frame(pushes, 0)).toEqual(['a', 'b']);
    expect(pushes.inFlightBytes).toBe(2 * (100 + PUSH_OVERHEAD_BYTES));
    expect(frame(pushes, 0)).toEqual([]);
    expect(pushes.nextCatchUp(0)).toBeUndefined();
    pushes.grant(100 + PUSH_OVERHEAD_BYTES);
    expect(frame(pushes, 0)).toEqual(['c']);
  });

  it('begins anew with a new stream; a read of before ends without harm', () => {
    const pushes = scheduler({ windowBytes: 300 });
    pushes.due('a', 'catch-up', 0);
    pushes.due('b', 'tail', 0);
    pushes.nextCatchUp(0);
    pushes.reset();
    expect(frame(pushes, 0)).toEqual([]);
    expect(pushes.creditBytes).toBe(300);
    pushes.readEnded('a', 0);
    expect(pushes.readsUnderWay).toBe(0);
    pushes.due('a', 'tail', 0);
    expect(frame(pushes, 0)).toEqual(['a']);
  });

  it('forgets a partition that is gone', () => {
    const pushes = scheduler();
    pushes.due('a', 'tail', 0);
    pushes.remove('a');
    expect(frame(pushes, 0)).toEqual([]);
  });

  it('never has more under way than window and one batch, whatever is due and granted, and forgets nobody', () => {
    const steps = fc.array(
      fc.record({
        partition: fc.constantFrom('a', 'b', 'c', 'd'),
        pushClass: fc.constantFrom<PushClass>('tail', 'catch-up', 'announce'),
        bytes: fc.integer({ min: 1, max: 400 }),
        grants: fc.boolean(),
      }),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (all) => {
        const pushes = scheduler({ windowBytes: 1_000, frameBytesMax: 600, announceDelayMs: 0, catchUpReadsMax: 1 });
        const due = new Set<string>();
        const send = (bytes: number): void => {
          for (const partition of frame(pushes, 0, bytes)) due.delete(partition);
          const read = pushes.nextCatchUp(0);
          if (read === undefined) return;
          pushes.sent(read.partition, 'catch-up', bytes);
          pushes.readEnded(read.partition, 0);
          due.delete(read.partition);
        };
        for (const { partition, pushClass, bytes, grants } of all) {
          pushes.due(partition, pushClass, 0);
          due.add(partition);
          send(bytes);
          expect(pushes.inFlightBytes).toBeLessThanOrEqual(1_000 + 2 * (400 + PUSH_OVERHEAD_BYTES));
          if (grants) pushes.grant(pushes.inFlightBytes);
        }
        for (let rounds = 0; due.size > 0; rounds += 1) {
          expect(rounds).toBeLessThan(20);
          pushes.grant(pushes.inFlightBytes);
          send(1);
        }
      }),
    );
  });
});
