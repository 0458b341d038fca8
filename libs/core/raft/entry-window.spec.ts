import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { textEntry } from '@streamline/testing/raft-stories/story-node';
import { EntryWindow } from './entry-window';

function windowOf(first: number, last: number): EntryWindow {
  const window = new EntryWindow();
  for (let index = first; index <= last; index++) window.push(textEntry(index, 1, 'x'));
  return window;
}

const SIZE = textEntry(1, 1, 'x').sizeBytes;

describe('EntryWindow', () => {
  it('gives entries within both bounds, but always one', () => {
    const window = windowOf(5, 20);
    expect(window.slice(6, 20, 3, Infinity)?.map(({ index }) => index)).toEqual([6, 7, 8]);
    expect(window.slice(6, 7, 100, Infinity)?.map(({ index }) => index)).toEqual([6, 7]);
    expect(window.slice(6, 20, 100, SIZE * 2)?.length).toBe(2);
    expect(window.slice(6, 20, 100, 1)?.length).toBe(1);
  });

  it('gives nothing where the first entry is not held', () => {
    const window = windowOf(5, 20);
    expect(window.slice(4, 20, 100, Infinity)).toBeUndefined();
    expect(window.slice(21, 22, 100, Infinity)).toBeUndefined();
    expect(window.at(4)).toBeUndefined();
  });

  it('lets the oldest go down to its bounds, but none that may not go', () => {
    const window = windowOf(1, 1000);
    window.evict(100, Infinity, 700);
    expect([window.firstIndex, window.length]).toEqual([701, 300]);
    window.evict(100, Infinity, Infinity);
    expect([window.firstIndex, window.length, window.bytes]).toEqual([901, 100, 100 * SIZE]);
    expect(window.at(950)?.index).toBe(950);
    window.evict(1000, 10 * SIZE, Infinity);
    expect(window.length).toBe(10);
  });

  it('frees the bytes of an entry when it lets it go, and not only when many are gone (RAFT-19)', async () => {
    const window = windowOf(1, 10);
    const held = new WeakRef(window.at(1)?.records[0] ?? new Uint8Array());
    window.evict(5, Infinity, Infinity);
    // A weak reference holds what it was made for until its turn ends.
    await new Promise((resolve) => setImmediate(resolve));
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    expect(held.deref()).toBeUndefined();
  });

  it('counts its bytes over truncation and appending again', () => {
    const window = windowOf(1, 10);
    window.truncate(4);
    window.push(textEntry(5, 2, 'xyz'));
    expect([window.lastIndex, window.bytes]).toEqual([5, 5 * SIZE + 2]);
    window.truncate(0);
    expect([window.firstIndex, window.lastIndex, window.bytes]).toEqual([Infinity, 0, 0]);
  });
});
