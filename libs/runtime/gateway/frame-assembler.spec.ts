import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameAssembler, FrameError, TRUSTED_FRAME_BYTES } from './frame-assembler';

const LIMIT = 20 * TRUSTED_FRAME_BYTES;

function framed(...bodies: Buffer[]): Buffer {
  return Buffer.concat(
    bodies.flatMap((body) => {
      const length = Buffer.alloc(4);
      length.writeInt32BE(body.length);
      return [length, body];
    }),
  );
}

function feed(assembler: FrameAssembler, stream: Buffer, cuts: readonly number[]): Buffer[] {
  const frames: Buffer[] = [];
  const borders = [...new Set([0, ...cuts.filter((cut) => cut < stream.length), stream.length])].sort((a, b) => a - b);
  for (let i = 1; i < borders.length; i++) {
    assembler.push(stream.subarray(borders[i - 1], borders[i]));
    for (let frame = assembler.next(); frame !== undefined; frame = assembler.next()) frames.push(frame);
  }
  return frames;
}

function lengthOnly(length: number): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(length);
  return prefix;
}

describe('FrameAssembler', () => {
  it('gives back the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 }),
        fc.array(fc.nat(4000), { maxLength: 40 }),
        (bodies, cuts) => {
          const stream = framed(...bodies.map((body) => Buffer.from(body)));
          const frames = feed(new FrameAssembler(LIMIT), stream, cuts);
          expect(frames.map((frame) => frame.toString('hex'))).toEqual(bodies.map((body) => Buffer.from(body).toString('hex')));
        },
      ),
    );
  });

  it('hands out a frame within one chunk as a view of it', () => {
    const chunk = framed(Buffer.from('abc'), Buffer.from('defg'));
    const frames = feed(new FrameAssembler(LIMIT), chunk, []);
    expect(frames.map(String)).toEqual(['abc', 'defg']);
    for (const frame of frames) expect(frame.buffer).toBe(chunk.buffer);
  });

  it('assembles a frame above the trusted size from many chunks', () => {
    const body = Buffer.alloc(10 * TRUSTED_FRAME_BYTES + 77, 3);
    body[body.length - 1] = 9;
    const stream = framed(body);
    const cuts = Array.from({ length: 40 }, (_, i) => i * 30_000 + 2);
    const frames = feed(new FrameAssembler(LIMIT), stream, cuts);
    expect(frames).toHaveLength(1);
    expect(frames[0]?.equals(body)).toBe(true);
  });

  it.each([-1, -2_147_483_648])('refuses the negative length %d', (length) => {
    const assembler = new FrameAssembler(LIMIT);
    assembler.push(lengthOnly(length));
    expect(() => assembler.next()).toThrow(FrameError);
  });

  it.each([LIMIT + 1, 2_147_483_647, 0x47455420])('refuses the length %d before taking memory for it', (length) => {
    const assembler = new FrameAssembler(LIMIT);
    assembler.push(lengthOnly(length));
    expect(() => assembler.next()).toThrow(/socket\.request\.max\.bytes/);
  });

  it.each([
    ['GET / HTTP/1.1\r\n', 'HTTP'],
    ['\x16\x03\x01\x02\x00', 'TLS'],
  ])('says what it seems to be that begins with %j', (text, protocol) => {
    const assembler = new FrameAssembler(LIMIT);
    assembler.push(Buffer.from(text, 'latin1'));
    expect(() => assembler.next()).toThrow(`looks like ${protocol}`);
  });

  it('takes no memory for a claimed length above the trusted size', () => {
    const before = process.memoryUsage().arrayBuffers;
    const assemblers = Array.from({ length: 200 }, () => {
      const assembler = new FrameAssembler(100 * 1024 * 1024);
      assembler.push(Buffer.concat([lengthOnly(99 * 1024 * 1024), Buffer.alloc(10)]));
      expect(assembler.next()).toBeUndefined();
      return assembler;
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024);
    expect(assemblers.every((assembler) => assembler.partialBytes === 14)).toBe(true);
  });

  it('tells whether a frame is under way, also within its length', () => {
    const assembler = new FrameAssembler(LIMIT);
    expect(assembler.partial).toBe(false);
    assembler.push(Buffer.from([0, 0]));
    expect(assembler.next()).toBeUndefined();
    expect([assembler.partial, assembler.partialBytes]).toEqual([true, 2]);
    assembler.push(Buffer.from([0, 2, 7]));
    expect(assembler.next()).toBeUndefined();
    expect([assembler.partial, assembler.partialBytes]).toEqual([true, 5]);
    assembler.push(Buffer.from([8]));
    expect(assembler.next()?.toString('hex')).toBe('0708');
    expect(assembler.partial).toBe(false);
  });

  it('keeps no tiny chunk of a large frame: each would hold hundreds of times its bytes', () => {
    const body = Buffer.from(Array.from({ length: TRUSTED_FRAME_BYTES + 20_000 }, (_, i) => i % 251));
    const assembler = new FrameAssembler(body.length);
    assembler.push(lengthOnly(body.length));
    expect(assembler.next()).toBeUndefined();
    // Tiny, some middling and a large one between them, each overwritten as soon as it has been taken where it is not large.
    const sizes = [1, 2, 3, 4000, 4095, 1, 9000, 1, 1, 30_000, 7];
    let frame: Buffer | undefined;
    for (let at = 0, i = 0; at < body.length; i += 1) {
      const chunk = Buffer.from(body.subarray(at, at + (sizes[i % sizes.length] ?? 1)));
      at += chunk.length;
      assembler.push(chunk);
      frame = assembler.next();
      if (chunk.length < 4096 && frame === undefined) chunk.fill(0xff);
    }
    expect(frame?.equals(body)).toBe(true);
  });
});
