import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { SlabLease } from './record-memory';
import { TailMemory } from './tail-memory';
import type { PlacedBatch } from './tail-memory';

const SLAB_BYTES = 100;

let clock: VirtualClock;
let memory: TailMemory;

/** A batch that fills a slab, with another one after it so that the slab is not the one that is filled. */
function placeFull(): PlacedBatch {
  const placed = memory.place(Buffer.alloc(SLAB_BYTES, 1));
  memory.place(Buffer.alloc(1));
  return placed;
}

beforeEach(() => {
  clock = new VirtualClock();
  memory = new TailMemory(SLAB_BYTES, clock);
});

describe("the tail's memory", () => {
  it('copies batches one after the other into memory that other threads can see', () => {
    const source = Buffer.from('one');
    const first = memory.place(source);
    const second = memory.place(Buffer.from('two'));
    source.fill(0);
    expect(first.slab.memory.toString('utf8', 0, 6)).toBe('onetwo');
    expect(second.slab).toBe(first.slab);
    expect(first.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('uses a slab again once no batch lies in it', () => {
    const { slab } = placeFull();
    expect(memory.freeBytes).toBe(0);
    memory.release(slab);
    expect(memory.freeBytes).toBe(SLAB_BYTES);
    expect(memory.place(Buffer.alloc(SLAB_BYTES)).slab).toBe(slab);
    expect(memory.freeBytes).toBe(0);
  });

  it('does not use a slab again while it is written from, or before the journal has its bytes', () => {
    const { slab } = placeFull();
    memory.journaled(slab, 70);
    memory.hold(slab);
    memory.release(slab);
    expect(memory.freeBytes).toBe(0);
    memory.release(slab);
    memory.durable(69);
    expect(memory.freeBytes).toBe(0);
    memory.durable(70);
    expect(memory.freeBytes).toBe(SLAB_BYTES);
  });

  it('does not take back the slab that is filled, though nothing in it is needed', () => {
    const { slab } = memory.place(Buffer.alloc(10));
    memory.release(slab);
    expect(memory.freeBytes).toBe(0);
    expect(memory.place(Buffer.alloc(10)).slab).toBe(slab);
  });

  it('refuses to be released more often than it was held', () => {
    const { slab } = placeFull();
    memory.release(slab);
    expect(() => memory.release(slab)).toThrow(/more often than it was held/);
  });

  it('gives a large batch memory of its own, and goes on where there is more room', () => {
    memory.place(Buffer.alloc(30));
    const large = memory.place(Buffer.alloc(290));
    expect(large.slab.capacityBytes).toBe(300);
    const larger = memory.place(Buffer.alloc(210));
    expect(memory.place(Buffer.alloc(90)).slab).toBe(larger.slab);
  });

  it('gives back what nobody needed for ten seconds, and keeps what is needed now and then', () => {
    const slabs = [placeFull(), placeFull(), placeFull()].map(({ slab }) => slab);
    for (const slab of slabs) memory.release(slab);
    for (let second = 0; second < 30; second += 1) {
      clock.advance(1_000);
      const [one, two] = [memory.place(Buffer.alloc(SLAB_BYTES)), memory.place(Buffer.alloc(SLAB_BYTES))];
      for (const { slab } of [one, two]) memory.release(slab);
    }
    expect(memory.freeBytes).toBeLessThan(3 * SLAB_BYTES);
    expect(memory.freeBytes).toBeGreaterThan(0);
    clock.advance(60_000);
    expect(memory.freeBytes).toBe(0);
  });

  it('counts all of a slab while one batch of it is needed, and of the slab that is filled what is used', () => {
    expect(memory.heldBytes).toBe(0);
    const [one, other] = [memory.place(Buffer.alloc(1)), memory.place(Buffer.alloc(SLAB_BYTES - 1))];
    memory.place(Buffer.alloc(7));
    memory.release(other.slab);
    expect(memory.heldBytes).toBe(SLAB_BYTES + 7);
    memory.release(one.slab);
    expect(memory.heldBytes).toBe(7);
  });

  it('keeps 96 MiB at most of what is free', () => {
    const large = 60 << 20;
    const slabs = [large, large - SLAB_BYTES].map((bytes) => memory.place(Buffer.alloc(bytes)).slab);
    memory.place(Buffer.alloc(SLAB_BYTES));
    for (const slab of slabs) memory.release(slab);
    expect(memory.freeBytes).toBeGreaterThanOrEqual(large - SLAB_BYTES);
    expect(memory.freeBytes).toBeLessThanOrEqual(96 << 20);
  });

  describe('that readers fill', () => {
    function lend(): SlabLease {
      const lease = memory.lend();
      if (lease === undefined) throw new Error('nothing is lent');
      return lease;
    }

    it('keeps batches that are offered where they are, each byte for one batch, and only until they are withdrawn', () => {
      const lease = lend();
      lease.memory.write('0123456789');
      lease.readTo(10);
      const frame = lease.memory.subarray(2, 8);
      expect(memory.place(frame.subarray(0, 3)).bytes.byteOffset).not.toBe(2);
      lease.offer(frame);
      const place = (from: number, to: number) => memory.place(lease.memory.subarray(from, to)).bytes;
      expect(place(1, 4).byteOffset).not.toBe(1);
      const stays = place(3, 5);
      expect([stays.toString(), stays.buffer === frame.buffer, stays.byteOffset]).toEqual(['34', true, 3]);
      for (const [from, to] of [
        [3, 5],
        [2, 3],
        [4, 6],
        [7, 9],
      ] as const) {
        const copy = place(from, to);
        expect([copy.toString(), copy.buffer === frame.buffer]).toEqual(['0123456789'.slice(from, to), false]);
      }
      expect(place(5, 8).buffer).toBe(frame.buffer);
      lease.offer(frame);
      lease.withdraw();
      expect(place(3, 5).buffer).not.toBe(frame.buffer);
    });

    it('is used again only when its reader is done and nothing of it is needed', () => {
      const lease = lend();
      lease.readTo(50);
      lease.offer(lease.memory.subarray(0, 50));
      const { slab } = memory.place(lease.memory.subarray(10, 20));
      lease.withdraw();
      memory.journaled(slab, 7);
      lease.end();
      expect(memory.freeBytes).toBe(0);
      memory.release(slab);
      expect(memory.freeBytes).toBe(0);
      memory.durable(7);
      expect(memory.freeBytes).toBe(SLAB_BYTES);
      expect(() => lease.end()).toThrow(/given back twice/);
    });

    it('counts what was read to, and all of it once the reader is done', () => {
      const lease = lend();
      expect(memory.heldBytes).toBe(0);
      lease.readTo(30);
      expect(memory.heldBytes).toBe(30);
      lease.offer(lease.memory.subarray(0, 30));
      const { slab } = memory.place(lease.memory.subarray(0, 30));
      lease.end();
      expect(memory.heldBytes).toBe(SLAB_BYTES);
      memory.release(slab);
      expect(memory.heldBytes).toBe(0);
    });

    it('is lent to few readers, who hear when others want it', () => {
      const leases = Array.from({ length: 100 }, () => memory.lend()).filter((lease) => lease !== undefined);
      expect(leases.length).toBe(32);
      expect(memory.isScarce).toBe(true);
      for (const lease of leases) lease.end();
      expect([memory.isScarce, memory.heldBytes]).toEqual([false, 0]);
    });
  });

  it('never changes a batch that is held, and accounts for all it takes', () => {
    const action = fc.oneof(
      fc.record({ place: fc.integer({ min: 1, max: 350 }) }),
      fc.record({ drop: fc.nat() }),
      fc.record({ journal: fc.nat() }),
      fc.record({ durable: fc.nat({ max: 5 }) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const tested = new TailMemory(SLAB_BYTES, new VirtualClock());
        const kept: { placed: PlacedBatch; expected: Buffer; journaledAt: number; isHeld: boolean }[] = [];
        let position = 0;
        let durable = 0;
        for (const [turn, step] of actions.entries()) {
          const chosen =
            'drop' in step ? kept[step.drop % kept.length] : 'journal' in step ? kept[step.journal % kept.length] : undefined;
          if ('place' in step) {
            const expected = Buffer.alloc(step.place, turn);
            kept.push({ placed: tested.place(expected), expected, journaledAt: 0, isHeld: true });
          } else if ('drop' in step && chosen?.isHeld === true) {
            chosen.isHeld = false;
            tested.release(chosen.placed.slab);
          } else if ('journal' in step && chosen?.isHeld === true) {
            chosen.journaledAt = position += 1;
            tested.journaled(chosen.placed.slab, position);
          } else if ('durable' in step) {
            durable = Math.min(position, durable + step.durable);
            tested.durable(durable);
          }
          for (const { placed, expected, isHeld, journaledAt } of kept)
            if (isHeld || journaledAt > durable) expect(placed.bytes.equals(expected)).toBe(true);
        }
        const slabs = new Set(kept.map(({ placed }) => placed.slab));
        const capacity = [...slabs].reduce((sum, slab) => sum + slab.capacityBytes, 0);
        const held = kept.filter(({ isHeld }) => isHeld).reduce((sum, { expected }) => sum + expected.length, 0);
        expect(tested.heldBytes).toBeGreaterThanOrEqual(held);
        expect(tested.heldBytes + tested.freeBytes).toBeLessThanOrEqual(capacity);
      }),
      { numRuns: 300 },
    );
  });
});
