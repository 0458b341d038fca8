import { describe, expect, it } from 'vitest';
import { SeededRandom } from './seeded-random';
import { VirtualClock } from './virtual-clock';

describe('VirtualClock', () => {
  it('runs timers in the order of their times, also those that timers make', () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    clock.schedule(20, () => ran.push('late'));
    clock.schedule(10, () => {
      ran.push('early');
      clock.schedule(5, () => ran.push(`made, at ${clock.monotonicMs()}`));
    });
    const cancel = clock.schedule(12, () => ran.push('never'));
    expect(clock.nextTimerInMs).toBe(10);
    cancel();
    clock.advance(20);
    expect(ran).toEqual(['early', 'made, at 15', 'late']);
    expect(clock.monotonicMs()).toBe(20);
  });

  it('runs turns of the event loop one by one, or all before time moves on', () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    const again = () => {
      ran.push(`at ${clock.monotonicMs()}`);
      if (ran.length < 4) clock.nextTurn(again);
    };
    clock.nextTurn(again);
    expect(clock.nextTimerInMs).toBe(0);
    expect([clock.turn(), ran.length]).toEqual([true, 1]);
    clock.advance(5);
    expect(ran).toEqual(['at 0', 'at 0', 'at 0', 'at 0']);
    expect(clock.turn()).toBe(false);
  });

  it('keeps timers apart from steps of the wall clock', () => {
    const clock = new VirtualClock(1000);
    let ran = false;
    clock.schedule(10, () => (ran = true));
    clock.stepWall(-500);
    expect(clock.wallMs()).toBe(500);
    clock.advance(9);
    expect(ran).toBe(false);
  });
});

describe('SeededRandom', () => {
  it('gives the same numbers for the same seed and others for another', () => {
    const draw = (seed: number): string => new SeededRandom(seed).bytes(17).toString('hex');
    expect(draw(7)).toBe(draw(7));
    expect(new Set(Array.from({ length: 100 }, (_, seed) => draw(seed))).size).toBe(100);
  });

  it('stays within its bounds and reaches them', () => {
    const random = new SeededRandom(3);
    const drawn = new Set(Array.from({ length: 500 }, () => random.integer(2, 5)));
    expect([...drawn].sort()).toEqual([2, 3, 4, 5]);
  });
});
