import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LeaderEpoch, Offset, PartitionIndex, TimestampMs } from '../types/ids';
import { ZERO_TOPIC_ID } from '../types/ids';
import { GroupImage, recordsOfGroup } from './group-image';
import type { GroupRecord, StoredGroup } from './group-record';

const groupId = fc.constantFrom('g', 'h');
const topic = fc.constantFrom('t', 'u');
const partition = fc.nat(2).map((index) => index as PartitionIndex);
const committed = fc.nat(100).map((offset) => ({
  offset: offset as Offset,
  leaderEpoch: 1 as LeaderEpoch,
  metadata: '',
  commitTimestampMs: 1 as TimestampMs,
  expireTimestampMs: undefined,
  topicId: ZERO_TOPIC_ID,
}));
const group = fc.nat(9).map((generationId): StoredGroup => {
  return { protocolType: 'consumer', generationId, protocol: undefined, leader: undefined, stateTimestampMs: -1, members: [] };
});
const record: fc.Arbitrary<GroupRecord> = fc.oneof(
  fc.record({ kind: fc.constant('offset-committed' as const), groupId, topic, partition, committed }),
  fc.record({ kind: fc.constant('offset-removed' as const), groupId, topic, partition }),
  fc.record({ kind: fc.constant('group-stored' as const), groupId, group }),
  fc.record({ kind: fc.constant('group-removed' as const), groupId }),
);

function contents(image: GroupImage): string[] {
  return [...image.groups]
    .map(([id, { stored, offsets }]) => ({
      id,
      stored,
      offsets: [...offsets].flatMap(([name, partitions]) => [...partitions].map(([index, value]) => ({ name, index, value }))),
    }))
    .map((entry) => JSON.stringify({ ...entry, offsets: entry.offsets.map((one) => JSON.stringify(one)).sort() }))
    .sort();
}

function countOffsets(image: GroupImage): number {
  let count = 0;
  for (const { offsets } of image.groups.values()) for (const partitions of offsets.values()) count += partitions.size;
  return count;
}

describe('GroupImage', () => {
  it('forgets a group without records of its own with its last offset', () => {
    const image = new GroupImage();
    const place = { groupId: 'simple', topic: 't', partition: 0 as PartitionIndex };
    const [value] = fc.sample(committed, 1);
    if (value === undefined) throw new Error('no sample');
    image.replay({ kind: 'offset-committed', ...place, committed: value });
    image.replay({ kind: 'offset-removed', ...place });
    expect([...image.groups.keys()]).toEqual([]);
  });

  it('is taken back by the inverse of a record, whatever was there before', () => {
    fc.assert(
      fc.property(fc.array(record), record, (history, last) => {
        const image = new GroupImage();
        for (const one of history) image.replay(one);
        const before = contents(image);
        const inverse = image.inverseOf(last);
        image.replay(last);
        for (const one of inverse) image.replay(one);
        expect(contents(image)).toEqual(before);
        expect(image.offsetCount).toBe(countOffsets(image));
      }),
    );
  });

  it('is rebuilt by the records of its groups, and by replaying its history twice', () => {
    fc.assert(
      fc.property(fc.array(record), (history) => {
        const image = new GroupImage();
        for (const one of history) image.replay(one);
        const copy = new GroupImage();
        for (const [id, entry] of image.groups) for (const one of recordsOfGroup(id, entry)) copy.replay(one);
        const again = new GroupImage();
        for (const one of [...history, ...history]) again.replay(one);
        expect(contents(copy)).toEqual(contents(image));
        expect(contents(again)).toEqual(contents(image));
      }),
    );
  });
});
