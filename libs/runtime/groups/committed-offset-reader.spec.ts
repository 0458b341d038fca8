import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommittedOffset, GroupRecord } from '@streamline/core/groups/group-record';
import type { LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { CommittedOffsetReader } from './committed-offset-reader';
import { decodeGroupRecord, encodeGroupRecord } from './group-record-codec';
import { NameCache } from './name-cache';

const name = fc.string({ unit: 'grapheme', maxLength: 30 });
const int64 = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const topicId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'));

/** Commits as this broker writes them, with or without the topic's id. */
const commit = fc
  .record({ groupId: name, topic: name, partition: fc.nat(), offset: int64, time: int64, epoch: fc.integer({ min: -1 }) })
  .chain((place) => fc.record({ place: fc.constant(place), metadata: name, id: fc.option(topicId, { nil: ZERO_TOPIC_ID }) }))
  .map(({ place, metadata, id }): GroupRecord => ({
    kind: 'offset-committed',
    groupId: place.groupId,
    topic: place.topic,
    partition: place.partition as PartitionIndex,
    committed: {
      offset: place.offset as Offset,
      leaderEpoch: place.epoch as LeaderEpoch | -1,
      metadata,
      commitTimestampMs: place.time as TimestampMs,
      expireTimestampMs: undefined,
      topicId: id as TopicId,
    },
  }));

function committedOf(record: GroupRecord): CommittedOffset {
  if (record.kind !== 'offset-committed') throw new Error(`no commit but ${record.kind}`);
  return record.committed;
}

function decoded(key: Buffer, value: Buffer | null): GroupRecord | undefined {
  try {
    return decodeGroupRecord({ key, value });
  } catch {
    return undefined;
  }
}

describe('CommittedOffsetReader', () => {
  it('reads commits as their schema does, whatever it read before', () => {
    const reader = new CommittedOffsetReader();
    fc.assert(
      fc.property(commit, (record) => {
        const { key, value } = encodeGroupRecord(record);
        const { metadata, topicId: id } = committedOf(record);
        // Beyond that a v4 has its length in two bytes.
        const isKnown = id === ZERO_TOPIC_ID || Buffer.byteLength(metadata) < 127;
        expect(reader.read(key, value)).toEqual(isKnown ? decodeGroupRecord({ key, value }) : undefined);
      }),
      { numRuns: 500 },
    );
  });

  it('never takes for a commit what the schema reads otherwise or refuses', () => {
    const reader = new CommittedOffsetReader();
    const damage = fc.record({ inKey: fc.boolean(), at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }), cut: fc.nat(12) });
    fc.assert(
      fc.property(commit, fc.array(damage, { minLength: 1, maxLength: 3 }), (record, damages) => {
        let { key, value } = encodeGroupRecord(record);
        for (const { inKey, at, byte, cut } of damages) {
          const target = (inKey ? key : value) ?? Buffer.alloc(1);
          if (target.length > 0) target.writeUInt8(byte, at % target.length);
          const rest = target.subarray(0, Math.max(2, target.length - Math.max(0, cut - 8)));
          if (inKey) key = rest;
          else value = rest;
        }
        const read = reader.read(key, value);
        if (read !== undefined) expect(read).toEqual(decoded(key, value));
      }),
      { numRuns: 2_000 },
    );
  });

  it('leaves every other record to its schema', () => {
    const reader = new CommittedOffsetReader();
    const place = { groupId: 'g', topic: 't', partition: 0 as PartitionIndex };
    const removed = encodeGroupRecord({ kind: 'offset-removed', ...place });
    expect(reader.read(removed.key, removed.value)).toBeUndefined();
    const gone = encodeGroupRecord({ kind: 'group-removed', groupId: 'g' });
    expect(reader.read(gone.key, Buffer.alloc(50))).toBeUndefined();
    expect(reader.read(null, Buffer.alloc(50))).toBeUndefined();
    expect(reader.read(Buffer.alloc(0), Buffer.alloc(0))).toBeUndefined();
  });
});

describe('NameCache', () => {
  it('gives the text of the bytes, also where names share a slot, are long or are no UTF-8', () => {
    const names = new NameCache('utf8');
    const bytes = fc.oneof(
      name.map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 600 }).map((array) => Buffer.from(array)),
      fc.nat(60_000).map((number) => Buffer.from(`name-${number}`)),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 50 }), (list) => {
        const all = Buffer.concat(list);
        let start = 0;
        for (const each of list) {
          expect(names.read(all, start, start + each.length)).toBe(each.toString('utf8'));
          start += each.length;
        }
      }),
      { numRuns: 200 },
    );
    for (let number = 0; number < 40_000; number += 1) {
      const each = Buffer.from(`name-${number}`);
      if (names.read(each, 0, each.length) !== `name-${number}`) throw new Error(`name-${number} was read as another`);
    }
  });

  it('does not keep the memory that it read from', () => {
    const names = new NameCache('utf8');
    const bytes = Buffer.from('orders');
    expect(names.read(bytes, 0, 6)).toBe('orders');
    bytes.fill('x');
    expect(names.read(Buffer.from('orders'), 0, 6)).toBe('orders');
    expect(names.read(bytes, 0, 6)).toBe('xxxxxx');
  });
});
