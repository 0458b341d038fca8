import { describe, expect, it } from 'vitest';
import { Ring } from './ring';

const FILE = 1000;

/** A ring of three files whose first two, [0, 100] and (100, 200], are full. */
function filled(): Ring {
  const ring = new Ring({ fileBytes: FILE, fileCount: 3 });
  for (const [slot, start] of [0, 100, 200].entries()) {
    if (slot > 0) ring.addBlank(slot);
    ring.begin(slot, slot + 1, start, start, FILE);
  }
  return ring;
}

describe('Ring', () => {
  it('takes blank files before it uses one again', () => {
    const ring = filled();
    expect(ring.nextSlot(150)).toBe(0);
    ring.addBlank(3);
    expect(ring.nextSlot(150)).toBe(3);
  });

  it('frees a file only when the release is beyond its last record (J-7)', () => {
    const ring = filled();
    expect(ring.nextSlot(100)).toBeUndefined();
    expect(ring.nextSlot(101)).toBe(0);
  });

  it('never frees the file that is written', () => {
    const ring = filled();
    ring.begin(0, 4, 300, 300, FILE);
    ring.begin(1, 5, 400, 400, FILE);
    expect(ring.nextSlot(Infinity)).toBe(2);
    expect(ring.currentSlot).toBe(1);
  });

  it('grows up to its size and no further (J-7)', () => {
    const ring = new Ring({ fileBytes: FILE, fileCount: 2 });
    expect(ring.slotToMake()).toBe(0);
    ring.begin(0, 1, 0, 0, FILE);
    expect(ring.slotToMake()).toBe(1);
    ring.addBlank(1);
    expect(ring.slotToMake()).toBeUndefined();
  });

  it('counts the files that could be begun', () => {
    const ring = new Ring({ fileBytes: FILE, fileCount: 4 });
    ring.begin(0, 1, 0, 0, FILE);
    ring.begin(1, 2, 100, 100, FILE);
    expect(ring.freeFiles(0, true)).toBe(2);
    expect(ring.freeFiles(0, false)).toBe(0);
    expect(ring.freeFiles(101, false)).toBe(1);
    ring.addBlank(2);
    expect(ring.freeFiles(101, true)).toBe(3);
  });

  it('counts the files that replay would read', () => {
    const ring = filled();
    expect(ring.usedBytes(0, 300)).toBe(2 * FILE + 300);
    expect(ring.usedBytes(101, 300)).toBe(FILE + 300);
    expect(ring.usedBytes(201, 300)).toBe(300);
  });

  it('asks for what brings it back to half', () => {
    const ring = filled();
    expect(ring.isUnderPressure(0)).toBe(true);
    expect(ring.releaseTarget(0)).toBe(201);
    expect(ring.isUnderPressure(201)).toBe(false);
  });

  it('gives up files of another size once they are not needed', () => {
    const ring = new Ring({ fileBytes: FILE, fileCount: 2 });
    ring.begin(0, 1, 0, 0, 2 * FILE);
    ring.begin(5, 2, 100, 100, FILE);
    ring.begin(1, 3, 200, 200, FILE);
    expect(ring.takeMisfits(50)).toEqual([]);
    expect(ring.nextSlot(101)).toBeUndefined();
    expect(ring.hasReleased(100)).toBe(false);
    expect(ring.hasReleased(101)).toBe(true);
    expect(ring.takeMisfits(101)).toEqual([0]);
    expect(ring.takeMisfits(201)).toEqual([5]);
    expect(ring.slotToMake()).toBe(0);
  });

  it('frees what was copied into the next file', () => {
    const ring = filled();
    expect(ring.nextSlot(191)).toBe(0);
    ring.begin(0, 4, 290, 300, FILE);
    ring.shortenPrevious(290);
    expect(ring.nextSlot(291)).toBe(1);
    ring.begin(1, 5, 400, 400, FILE);
    expect(ring.nextSlot(291)).toBe(2);
  });
});
