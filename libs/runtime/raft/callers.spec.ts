import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { type Call, Callers } from './callers';

/** A clock that counts what is scheduled. */
class CountingClock extends VirtualClock {
  scheduled = 0;

  override schedule(delayMs: number, task: () => void): () => void {
    this.scheduled++;
    return super.schedule(delayMs, task);
  }
}

describe('Callers', () => {
  let clock: CountingClock;
  let callers: Callers;
  let answers: string[];
  beforeEach(() => {
    clock = new CountingClock();
    callers = new Callers(clock);
    answers = [];
  });

  function open(name: string, deadlineMs: number): Call<string> {
    let opened: Call<string> | undefined;
    const options = { deadlineMs, atDeadline: () => 'late', atEnd: 'stopped' };
    const reply = callers.open<string>({ ...options, begin: (call) => (opened = call) });
    reply.then(
      (answer) => answers.push(`${name} ${answer}`),
      (error: unknown) => answers.push(`${name} ${String(error)}`),
    );
    if (opened === undefined) throw new Error('it begins at once');
    return opened;
  }

  async function pass(ms: number): Promise<void> {
    clock.advance(ms);
    await Promise.resolve();
    await Promise.resolve();
  }

  it('answer each call once: with what it is told, or at its deadline and no earlier', async () => {
    const [quick, slow] = [open('quick', 5_000), open('slow', 1_000)];
    quick.settle('done');
    quick.settle('again');
    await pass(999);
    expect(answers).toEqual(['quick done']);
    await pass(11);
    expect(answers).toEqual(['quick done', 'slow late']);
    slow.settle('too late');
    await pass(10_000);
    expect(answers).toHaveLength(2);
  });

  it('share one timer, however many they are and however long one of them may take', async () => {
    open('patient', 24 * 3_600_000);
    for (let n = 0; n < 1_000; n++) {
      open(`${n}`, 2_000).settle('done');
      await pass(1);
    }
    expect(clock.scheduled).toBeLessThan(5);
    await pass(24 * 3_600_000);
    expect(answers.at(-1)).toBe('patient late');
    expect(clock.nextTimerInMs).toBeUndefined();
  });

  it('keep the deadlines of calls of any length, in their order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ afterMs: fc.nat(50), deadlineMs: fc.nat(300) })), async (calls) => {
        callers = new Callers(clock);
        answers = [];
        const endsMs = new Map<string, number>();
        for (const [n, { afterMs, deadlineMs }] of calls.entries()) {
          await pass(afterMs);
          open(`${n}`, deadlineMs);
          endsMs.set(`${n} late`, clock.monotonicMs() + deadlineMs);
        }
        for (let seen = 0; seen < calls.length || answers.length < calls.length; seen++) {
          const before = answers.length;
          await pass(1);
          for (const answer of answers.slice(before)) {
            expect(clock.monotonicMs()).toBeGreaterThanOrEqual(endsMs.get(answer) ?? Infinity);
            expect(clock.monotonicMs()).toBeLessThanOrEqual((endsMs.get(answer) ?? 0) + 11);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('are told when the node stops or breaks, and leave no timer behind', async () => {
    open('a', 1_000);
    callers.endAll();
    open('b', 1_000);
    callers.failAll(new Error('EIO'));
    await pass(0);
    expect(answers).toEqual(['a stopped', 'b Error: EIO']);
    expect(clock.nextTimerInMs).toBeUndefined();
  });
});
