import { describe, expect, it } from 'vitest';
import { loadVectors, type Vector } from '../../../test/fixtures/kafka-vectors/vectors';
import { catalogue } from './catalogue';
import { Reader } from './codec/reader';
import { WireError } from './codec/wire-error';
import { metadata } from './apis/03-metadata';
import { offsetCommit } from './apis/08-offset-commit';
import { offsetFetch } from './apis/09-offset-fetch';
import { apiVersions } from './apis/18-api-versions';
import { decodeRequestFrame, encodeRequest } from './frame';
import type { AnyMessage } from './schema/message';
import type { Tagged } from './schema/field';

const samples = loadVectors().filter((vector) => vector.case !== 'min');

function messageOf(vector: Vector): AnyMessage {
  const message = catalogue.get(vector.name);
  if (message === undefined) throw new Error(`no message is called ${vector.name}`);
  return message;
}

/** The value, or the error when it is the one error that bytes may cause. */
function attempt(message: AnyMessage, version: number, bytes: Buffer): Tagged | WireError {
  try {
    return message.decode(version, bytes);
  } catch (error) {
    if (error instanceof WireError) return error;
    throw error;
  }
}

/** mulberry32: numbers from 0 to 2^32 - 1, the same ones for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const EVIL_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff, 0xfe];

/** Some bytes changed, a piece taken out, or a piece put in. */
function mutate(bytes: Buffer, next: () => number): Buffer {
  const at = bytes.length === 0 ? 0 : next() % bytes.length;
  const piece = Buffer.alloc(1 + (next() % 5), EVIL_BYTES[next() % EVIL_BYTES.length]);
  switch (next() % 3) {
    case 0:
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + piece.length)]);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
    default:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + piece.length)]);
  }
}

describe('bytes from a stranger', () => {
  it('are refused wherever they are cut off', () => {
    for (const vector of samples) {
      const message = messageOf(vector);
      const bytes = Buffer.from(vector.hex, 'hex');
      for (let length = 0; length < bytes.length; length++) {
        const result = attempt(message, vector.version, bytes.subarray(0, length));
        if (!(result instanceof WireError))
          throw new Error(`${vector.name} v${vector.version} read ${length} of ${bytes.length} bytes`);
      }
    }
  });

  it('are read or refused with a WireError however they are changed, and what can be read can be written', () => {
    const next = generator(44);
    let read = 0;
    let refused = 0;
    for (const vector of samples) {
      const message = messageOf(vector);
      for (let round = 0; round < 40; round++) {
        let bytes: Buffer = Buffer.from(vector.hex, 'hex');
        for (let changes = 1 + (next() % 3); changes > 0; changes--) bytes = mutate(bytes, next);
        const result = attempt(message, vector.version, bytes);
        if (result instanceof WireError) refused++;
        else {
          read++;
          expect(message.decode(vector.version, message.encode(vector.version, result))).toStrictEqual(result);
        }
      }
    }
    expect(Math.min(read, refused)).toBeGreaterThan(1000);
  });

  it('of no meaning at all are read or refused in every message', () => {
    const next = generator(7);
    for (const message of catalogue.values())
      for (let version = message.versions.min; version <= message.versions.max; version++)
        for (let round = 0; round < 20; round++) {
          const bytes = Buffer.from(Array.from({ length: next() % 64 }, () => (next() % 4 === 0 ? next() & 0xff : next() % 3)));
          attempt(message, version, bytes);
        }
  });

  it('cannot claim more elements than they have room for', () => {
    const claimed = Buffer.from('00000000' + '7fffffff' + '0000', 'hex');
    expect(() => metadata.response.decode(0, claimed)).toThrow(/array of|bytes/);
    const topics = Buffer.concat([Buffer.from('7fffffff', 'hex'), Buffer.alloc(1000)]);
    expect(() => metadata.request.decode(4, topics)).toThrow(
      expect.objectContaining({ code: 'truncated', path: 'topics', offset: 0 }),
    );
    topics.writeInt32BE(501, 0);
    expect(() => metadata.request.decode(4, topics)).toThrow('topics: array of 501 elements, but only 1000 bytes are left');
  });

  it('cannot turn many small elements into a heap of large objects', () => {
    const count = 3_000_000;
    const names = Buffer.concat([Buffer.from('00000000', 'hex'), Buffer.alloc(count * 2)]);
    names.writeInt32BE(count, 0);
    const before = process.memoryUsage().heapUsed;
    expect(() => metadata.request.decode(0, names)).toThrow(expect.objectContaining({ code: 'limit', path: 'topics' }));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000);
  });

  it('cannot turn many unknown tagged fields into a heap of objects', () => {
    const count = 1_500_000;
    const head = Buffer.from('0000' + '01' + '00000000', 'hex');
    const tagCount = Buffer.from([0x80 | (count & 0x7f), 0x80 | ((count >> 7) & 0x7f), count >> 14]);
    const bytes = Buffer.concat([head, tagCount, Buffer.alloc(2 * count)]);
    expect(() => apiVersions.response.decode(3, bytes)).toThrow(expect.objectContaining({ code: 'limit', path: 'taggedFields' }));
  });

  it('may hold fewer elements where the reader says so', () => {
    const bytes = metadata.request.encode(0, { topics: [{ name: 'a' }, { name: 'b' }] });
    expect(metadata.request.read(0, new Reader(bytes, 0, { maxElements: 2 })).topics).toHaveLength(2);
    expect(() => metadata.request.read(0, new Reader(bytes, 0, { maxElements: 1 }))).toThrow(WireError);
  });

  it('may hold 100,000 elements in a request, numbers counted, however small they are', () => {
    const frameOf = (count: number): Buffer => {
      const partitionIndexes = new Array<number>(count).fill(0);
      const body = { groupId: 'g', topics: [{ name: 't', partitionIndexes }] };
      return Buffer.concat(encodeRequest(offsetFetch, 5, 1, null, body)).subarray(4);
    };
    const read = (frame: Buffer) => offsetFetch.request.read(5, decodeRequestFrame(frame).reader);
    expect(read(frameOf(99_999)).topics?.[0]?.partitionIndexes).toHaveLength(99_999);
    expect(() => read(frameOf(100_000))).toThrow(expect.objectContaining({ code: 'limit' }));
  });

  it('name the field, the element and the offset at which they are wrong', () => {
    const bytes = offsetCommit.request.encode(2, {
      groupId: 'g',
      memberId: 'm',
      topics: [
        { name: 'a', partitions: [] },
        {
          name: 'b',
          partitions: [
            { partitionIndex: 1, committedOffset: 2n, committedMetadata: 'a text of some length' },
            { partitionIndex: 1, committedOffset: 2n, committedMetadata: '' },
          ],
        },
      ],
    });
    const cut = bytes.subarray(0, bytes.length - 5);
    const path = 'topics[1].partitions[1].committedOffset';
    expect(() => offsetCommit.request.decode(2, cut)).toThrow(
      expect.objectContaining({ code: 'truncated', messageName: 'OffsetCommitRequest v2', path, offset: bytes.length - 14 }),
    );
    expect(() => offsetCommit.request.decode(2, cut)).toThrow(
      `OffsetCommitRequest v2 ${path}: 12 bytes needed, but only 9 are left (offset ${bytes.length - 14})`,
    );
  });
});
