import { describe, expect, it } from 'vitest';
import { Durability } from './durability';

describe('Durability', () => {
  it('does not take an entry for durable that was truncated while it was written (RAFT-20)', () => {
    const durability = new Durability(5);
    const old = durability.begin(9, false, 0);
    durability.truncated(6);
    const replaced = durability.begin(9, false, 0);
    durability.persisted(old);
    expect(durability.durableIndex).toBe(6);
    durability.persisted(replaced);
    expect(durability.durableIndex).toBe(9);
  });

  it('takes one report for everything before it', () => {
    const durability = new Durability(0);
    durability.begin(1, true, 10);
    const last = durability.begin(2, false, 20);
    expect([durability.isHardStateDurable, durability.pendingMs(50)]).toEqual([false, 40]);
    durability.persisted(last);
    expect([durability.durableIndex, durability.isHardStateDurable, durability.isIdle]).toEqual([2, true, true]);
  });

  it('refuses a report of what was never handed out', () => {
    expect(() => new Durability(0).persisted(1)).toThrow('RAFT-9');
  });
});
