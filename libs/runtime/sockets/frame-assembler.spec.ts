import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { poisonFreedMemory } from '@streamline/testing/log/poison';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { TailMemory, type PlacedBatch } from '../log/tail-memory';
import { FrameAssembler, FrameError } from './frame-assembler';
import { FrameMemory, READ_BYTES } from './frame-memory';

const LIMIT = 20 * READ_BYTES;

function assemblerWith(limit = LIMIT, memory = new FrameMemory()): FrameAssembler {
  return new FrameAssembler(limit, memory);
}

function framed(...bodies: Buffer[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length);
      return [length, body];
    }),
  );
}

function lengthOnly(length: number): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(length);
  return prefix;
}

/**
 * Plays the socket and the connection: reads `stream` in portions of `sizes` to where the assembler says, takes up to
 * `takes` frames after each, and overwrites all memory that is not promised to last. Returns copies of the frames.
 */
function play(memory: FrameMemory, stream: Buffer, sizes: readonly number[], takes: readonly number[]): Buffer[] {
  const assembler = assemblerWith(LIMIT, memory);
  const frames: Buffer[] = [];
  const take = (most: number): void => {
    for (let left = most; left > 0; left--) {
      const frame = assembler.next();
      if (frame === undefined) break;
      frames.push(Buffer.from(frame));
      frame.fill(0xee);
      assembler.done();
    }
    // Looks at the next one and leaves it for later, as a connection does whose requests wait.
    assembler.next();
    assembler.keep();
  };
  for (let at = 0, i = 0; at < stream.length; i++) {
    const space = assembler.space();
    const bytes = Math.max(1, Math.min(space.length, sizes[i % sizes.length] ?? 1, stream.length - at));
    stream.copy(space, 0, at, at + bytes);
    at += bytes;
    assembler.received(space, bytes);
    take(takes[i % takes.length] ?? Infinity);
    memory.portion.fill(0xdd);
  }
  take(Infinity);
  return frames;
}

function patterned(bytes: number, seed: number): Buffer {
  const body = Buffer.allocUnsafe(bytes);
  for (let i = 0; i < bytes; i++) body[i] = (i * 31 + seed * 7) % 251;
  return body;
}

/** Bytes that are copied to the beginnings of slabs from now on. */
function countMovedBytes(records: TailMemory): { bytes: number } {
  const moved = { bytes: 0 };
  const lend = records.lend.bind(records);
  vi.spyOn(records, 'lend').mockImplementation(() => {
    const lease = lend();
    let isFirst = true;
    return (
      lease && {
        ...lease,
        readTo(endBytes) {
          if (isFirst) moved.bytes += endBytes;
          isFirst = false;
          lease.readTo(endBytes);
        },
      }
    );
  });
  return moved;
}

/** What the log keeps of a frame, and what it was when it arrived. */
interface Kept {
  readonly placed: PlacedBatch;
  readonly expected: Buffer;
}

/**
 * The same with record memory: of frames a part is appended, and held until `holds` later frames have come. Checks after each read
 * that what is held is unchanged. Returns copies of the frames.
 */
function playIntoSlabs(records: TailMemory, stream: Buffer, sizes: readonly number[], takes: readonly number[], holds: number) {
  const memory = new FrameMemory(() => records);
  const assembler = assemblerWith(LIMIT, memory);
  const frames: Buffer[] = [];
  const kept: Kept[] = [];
  let stayed = 0;
  const take = (most: number): void => {
    for (let left = most; left > 0; left--) {
      const frame = assembler.next();
      if (frame === undefined) break;
      frames.push(Buffer.from(frame));
      assembler.offer();
      const expected = Buffer.from(frame.subarray(frame.length >> 2));
      const placed = records.place(frame.subarray(frame.length >> 2));
      if (placed.bytes.buffer === frame.buffer && placed.bytes.byteOffset === frame.byteOffset + (frame.length >> 2)) stayed += 1;
      else frame.fill(0xee);
      assembler.withdraw();
      assembler.done();
      kept.push({ placed, expected });
      if (kept.length > holds) kept.splice(0, 1).forEach((each) => records.release(each.placed.slab));
    }
    assembler.next();
    assembler.keep();
  };
  for (let at = 0, i = 0; at < stream.length; i++) {
    const space = assembler.space();
    // Answers may let frames start after the reader was told where to read to.
    take((takes[i % takes.length] ?? 0) & 1);
    const bytes = Math.max(1, Math.min(space.length, sizes[i % sizes.length] ?? 1, stream.length - at));
    stream.copy(space, 0, at, at + bytes);
    at += bytes;
    assembler.received(space, bytes);
    take(takes[i % takes.length] ?? Infinity);
    memory.portion.fill(0xdd);
    if (kept.some(({ placed, expected }) => !placed.bytes.equals(expected))) throw new Error('a batch that is held has changed');
  }
  take(Infinity);
  assembler.close();
  expect(assembler.space()).toBe(memory.portion);
  assembler.readerClosed();
  for (const { placed } of kept) records.release(placed.slab);
  expect(memory.lentBytes).toBe(0);
  return { frames, stayed };
}

describe('FrameAssembler', () => {
  it('gives the same frames out of record memory, and what stays there does not change', () => {
    poisonFreedMemory();
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(300), fc.integer({ min: 9000, max: 5 * READ_BYTES })), { maxLength: 12 }),
        fc.array(fc.oneof(fc.integer({ min: 500, max: 9000 }), fc.integer({ min: 9000, max: 4 * READ_BYTES })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.array(fc.constantFrom(0, 1, 2, Infinity), { minLength: 1, maxLength: 5 }),
        fc.nat(6),
        (bodySizes, sizes, takes, holds) => {
          const bodies = bodySizes.map(patterned);
          const records = new TailMemory(4 * READ_BYTES, new VirtualClock());
          const { frames } = playIntoSlabs(records, framed(...bodies), [...sizes, 300_000], takes, holds);
          expect(frames.map((frame, i) => frame.equals(bodies[i] ?? Buffer.alloc(0)))).toEqual(bodies.map(() => true));
          expect(records.isScarce).toBe(false);
          // All is free again but what copies filled last.
          expect(records.heldBytes).toBeLessThanOrEqual(4 * READ_BYTES);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('reads frames of one size into slabs so that none but the first has to be copied', () => {
    const bodies = Array.from({ length: 40 }, (_, seed) => patterned(READ_BYTES, seed));
    const records = new TailMemory(16 * READ_BYTES, new VirtualClock());
    const moved = countMovedBytes(records);
    const { stayed } = playIntoSlabs(records, framed(...bodies), [Infinity], [Infinity], 5);
    expect(stayed).toBe(bodies.length);
    expect(moved.bytes).toBeLessThanOrEqual(READ_BYTES);
  });

  it('gives back the same frames however the stream is cut, held up and overwritten', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.nat(300), fc.nat(5 * READ_BYTES)), { maxLength: 8 }),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1000, max: READ_BYTES })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.array(fc.constantFrom(0, 1, 2, Infinity), { minLength: 1, maxLength: 5 }),
        (bodySizes, sizes, takes) => {
          const bodies = bodySizes.map(patterned);
          const memory = new FrameMemory();
          const frames = play(memory, framed(...bodies), [...sizes, 50_000], takes);
          expect(frames.map((frame, i) => frame.equals(bodies[i] ?? Buffer.alloc(0)))).toEqual(bodies.map(() => true));
          expect(memory.lentBytes).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('cuts lengths and bodies of a few bytes wherever reads end', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 12 }), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.constantFrom(0, 1, Infinity), { minLength: 1, maxLength: 5 }),
        (bodies, sizes, takes) => {
          const wanted = bodies.map((body) => Buffer.from(body));
          const frames = play(new FrameMemory(), framed(...wanted), sizes, takes);
          expect(frames.map((frame) => frame.toString('hex'))).toEqual(wanted.map((body) => body.toString('hex')));
        },
      ),
    );
  });

  it('hands out a frame within one read as a view of it', () => {
    const assembler = assemblerWith();
    const chunk = framed(Buffer.from('abc'), Buffer.from('defg'));
    assembler.received(chunk, chunk.length);
    for (const body of ['abc', 'defg']) {
      const frame = assembler.next();
      expect([frame?.toString(), frame?.buffer === chunk.buffer]).toEqual([body, true]);
      assembler.done();
    }
    expect(assembler.next()).toBeUndefined();
  });

  it('gives the same frame until it is done with', () => {
    const assembler = assemblerWith();
    const chunk = framed(Buffer.from('abc'), Buffer.from('defg'));
    assembler.received(chunk, chunk.length);
    expect(assembler.next()).toBe(assembler.next());
    assembler.keep();
    chunk.fill(0);
    expect(assembler.next()?.toString()).toBe('abc');
    assembler.done();
    expect(assembler.next()?.toString()).toBe('defg');
  });

  it('reads a large frame straight to its place, and the memory of one frame serves the next', () => {
    const memory = new FrameMemory();
    const assembler = assemblerWith(LIMIT, memory);
    const stream = framed(patterned(4 * READ_BYTES, 1), patterned(4 * READ_BYTES, 2));
    const places = new Set<ArrayBufferLike>();
    let copied = 0;
    for (let at = 0; at < stream.length;) {
      const space = assembler.space();
      const bytes = stream.copy(space, 0, at);
      at += bytes;
      if (space.buffer === memory.portion.buffer) copied += bytes;
      assembler.received(space, bytes);
      for (let frame = assembler.next(); frame !== undefined; frame = assembler.next()) {
        places.add(frame.buffer);
        assembler.done();
      }
    }
    expect(copied).toBeLessThan(5 * READ_BYTES);
    expect(places.size).toBe(1);
    // The second frame found the memory that the first had grown into.
    expect(memory.lentBytes).toBe(0);
  });

  it.each([-1, -2_147_483_648])('refuses the negative length %d', (length) => {
    const assembler = assemblerWith();
    assembler.received(lengthOnly(length), 4);
    expect(() => assembler.next()).toThrow(FrameError);
  });

  it.each([LIMIT + 1, 2_147_483_647, 0x47455420])('refuses the length %d before taking memory for it', (length) => {
    const assembler = assemblerWith();
    assembler.received(lengthOnly(length), 4);
    expect(() => assembler.next()).toThrow(/socket\.request\.max\.bytes/);
  });

  it.each([
    ['GET / HTTP/1.1\r\n', 'HTTP'],
    ['\x16\x03\x01\x02\x00', 'TLS'],
  ])('says what it seems to be that begins with %j', (text, protocol) => {
    const assembler = assemblerWith();
    assembler.received(Buffer.from(text, 'latin1'), text.length);
    expect(() => assembler.next()).toThrow(`looks like ${protocol}`);
  });

  it.each([10_000, 60_000, 99 * 1024 * 1024])('takes no memory for %d bytes that are only claimed', (claimed) => {
    const memory = new FrameMemory();
    for (let i = 1; i <= 200; i++) {
      const assembler = assemblerWith(100 * 1024 * 1024, memory);
      assembler.received(Buffer.concat([lengthOnly(claimed), Buffer.alloc(10)]), 14);
      expect(assembler.next()).toBeUndefined();
      assembler.keep();
      expect([assembler.partialBytes, memory.lentBytes]).toEqual([14, i * 4096]);
    }
  });

  it('holds at most about twice the bytes of a frame that have arrived', () => {
    const memory = new FrameMemory();
    const body = patterned(18 * READ_BYTES, 3);
    const assembler = assemblerWith(LIMIT, memory);
    const stream = framed(body);
    for (let at = 0; at < stream.length;) {
      const space = assembler.space();
      const bytes = stream.copy(space, 0, at, Math.min(stream.length, at + 10_000));
      at += bytes;
      assembler.received(space, bytes);
      assembler.next();
      assembler.keep();
      expect(memory.lentBytes).toBeLessThanOrEqual(Math.max(4096, 2.5 * at));
    }
    expect(assembler.next()?.equals(body)).toBe(true);
  });

  it('tells whether a frame is under way, also within its length', () => {
    const assembler = assemblerWith();
    const feed = (...bytes: number[]): Buffer | undefined => {
      assembler.received(Buffer.from(bytes), bytes.length);
      return assembler.next();
    };
    expect(assembler.partial).toBe(false);
    expect(feed(0, 0)).toBeUndefined();
    expect([assembler.partial, assembler.partialBytes]).toEqual([true, 2]);
    expect(feed(0, 2, 7)).toBeUndefined();
    expect([assembler.partial, assembler.partialBytes]).toEqual([true, 5]);
    expect(feed(8)?.toString('hex')).toBe('0708');
    expect([assembler.partial, assembler.partialBytes]).toEqual([false, 0]);
  });

  it('gives no memory back that the reader may still write to when it is closed', () => {
    const memory = new FrameMemory();
    const assembler = assemblerWith(LIMIT, memory);
    const stream = framed(patterned(6 * READ_BYTES, 1)).subarray(0, 3 * READ_BYTES);
    let space = assembler.space();
    for (let at = 0; at < stream.length;) {
      const bytes = stream.copy(space, 0, at);
      at += bytes;
      assembler.received(space, bytes);
      assembler.next();
      assembler.keep();
      space = assembler.space();
    }
    expect(space.buffer).not.toBe(memory.portion.buffer);
    assembler.close();
    expect(memory.lentBytes).toBe(0);
    expect(memory.take(6 * READ_BYTES).buffer).not.toBe(space.buffer);
    expect(assembler.space()).toBe(memory.portion);
  });
});

describe('FrameMemory', () => {
  it('lends a little more than it is asked for, and the same again', () => {
    const memory = new FrameMemory();
    for (const bytes of [1, 4096, 4097, 65_536, 65_600, 262_200, 1_000_000]) {
      const buffer = memory.take(bytes);
      expect(buffer.length).toBeGreaterThanOrEqual(bytes);
      expect(buffer.length).toBeLessThanOrEqual(Math.max(4096, 1.26 * bytes));
      memory.give(buffer);
      expect(memory.takeFree(bytes)).toBe(buffer);
      memory.give(buffer);
    }
  });

  it('gives back to the process what was not needed between two trims', () => {
    const memory = new FrameMemory();
    const both = [memory.take(100_000), memory.take(100_000)];
    for (const each of both) memory.give(each);
    memory.trim();
    memory.give(memory.take(100_000));
    expect(memory.freeBytes).toBe(2 * (both[0]?.length ?? 0));
    memory.trim();
    expect(memory.freeBytes).toBe(both[0]?.length);
    memory.trim();
    expect(memory.freeBytes).toBe(0);
    expect(memory.takeFree(100_000)).toBeUndefined();
  });

  it('keeps a bounded sum, and no single large buffer', () => {
    const memory = new FrameMemory();
    const many = Array.from({ length: 200 }, () => memory.take(500_000));
    for (const each of many) memory.give(each);
    expect(memory.freeBytes).toBeLessThanOrEqual(32 * 1024 * 1024);
    const before = memory.freeBytes;
    memory.give(memory.take(20_000_000));
    expect(memory.freeBytes).toBe(before);
    expect(memory.lentBytes).toBe(0);
  });

  it('lends only so much ahead of the bytes that it is for', () => {
    const memory = new FrameMemory();
    const bytes = 4 * 1024 * 1024;
    let ahead = 0;
    for (; ahead < 100; ahead++) {
      memory.give(memory.take(bytes));
      if (memory.takeFree(bytes) === undefined) break;
    }
    expect(ahead).toBe(16);
  });
});
