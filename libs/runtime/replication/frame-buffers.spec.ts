import { describe, expect, it } from 'vitest';
import { FrameBuffers } from './frame-buffers';

const LARGE_BYTES = 500_000;

describe('memory of frames', () => {
  it('is used again once it was released, and not before', () => {
    const buffers = new FrameBuffers();
    const [one, other] = [buffers.take(LARGE_BYTES), buffers.take(LARGE_BYTES)];
    expect(one.length).toBe(LARGE_BYTES);
    expect(other.buffer).not.toBe(one.buffer);
    buffers.release(one);
    const third = buffers.take(LARGE_BYTES - 1);
    expect(third.length).toBe(LARGE_BYTES - 1);
    expect(third.buffer).toBe(one.buffer);
  });

  it('is fresh for frames that are short, or longer than others', () => {
    const buffers = new FrameBuffers();
    for (const bytes of [0, 100, 5_000_000]) {
      const frame = buffers.take(bytes);
      expect(frame.length).toBe(bytes);
      buffers.release(frame);
      const next = buffers.take(LARGE_BYTES);
      expect(next.buffer).not.toBe(frame.buffer);
    }
  });

  it('is kept within bounds', () => {
    const buffers = new FrameBuffers();
    const taken = Array.from({ length: 20 }, () => buffers.take(LARGE_BYTES));
    for (const frame of taken) buffers.release(frame);
    const again = Array.from({ length: 20 }, () => buffers.take(LARGE_BYTES));
    const kept = again.filter(({ buffer }) => taken.some((frame) => frame.buffer === buffer));
    expect(kept).toHaveLength(8);
    expect(new Set(again.map(({ buffer }) => buffer)).size).toBe(20);
  });
});
