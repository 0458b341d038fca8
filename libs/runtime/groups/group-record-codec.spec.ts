import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GroupRecord } from '@streamline/core/groups/group-record';
import type { LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { decodeGroupRecord, encodeGroupRecord, GroupRecordError } from './group-record-codec';

const name = fc.string({ maxLength: 20 });
const millis = fc.nat({ max: 2 ** 52 }).map((value) => value as TimestampMs);
const offset = fc.nat({ max: 2 ** 52 }).map((value) => value as Offset);
const partition = fc.nat(1_000).map((value) => value as PartitionIndex);
const bytes = fc.uint8Array({ maxLength: 20 }).map((array) => Buffer.from(array));
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array).toString('base64url') as TopicId);

const committed = fc.oneof(
  fc.record({
    offset,
    leaderEpoch: fc.integer({ min: -1, max: 1_000 }).map((value) => value as LeaderEpoch | -1),
    metadata: name,
    commitTimestampMs: millis,
    expireTimestampMs: fc.constant(undefined),
    topicId: fc.oneof(id, fc.constant(ZERO_TOPIC_ID)),
  }),
  fc.record({
    offset,
    leaderEpoch: fc.constant(-1 as const),
    metadata: name,
    commitTimestampMs: millis,
    expireTimestampMs: millis,
    topicId: fc.constant(ZERO_TOPIC_ID),
  }),
);
const member = fc.record({
  memberId: name,
  groupInstanceId: fc.option(name, { nil: undefined }),
  clientId: name,
  clientHost: name,
  rebalanceTimeoutMs: fc.nat(),
  sessionTimeoutMs: fc.nat(),
  subscription: bytes,
  assignment: bytes,
});
const group = fc.record({
  protocolType: name,
  generationId: fc.nat(),
  protocol: fc.option(name, { nil: undefined }),
  leader: fc.option(name, { nil: undefined }),
  stateTimestampMs: fc.oneof(millis, fc.constant(-1 as const)),
  members: fc.array(member, { maxLength: 3 }),
});
const record: fc.Arbitrary<GroupRecord> = fc.oneof(
  fc.record({ kind: fc.constant('offset-committed' as const), groupId: name, topic: name, partition, committed }),
  fc.record({ kind: fc.constant('offset-removed' as const), groupId: name, topic: name, partition }),
  fc.record({ kind: fc.constant('group-stored' as const), groupId: name, group }),
  fc.record({ kind: fc.constant('group-removed' as const), groupId: name }),
);

describe('the records of __consumer_offsets', () => {
  it('come back as they were written', () => {
    fc.assert(
      fc.property(record, (one) => {
        expect(decodeGroupRecord(encodeGroupRecord(one))).toEqual(one);
      }),
    );
  });

  it('are in Kafka’s own bytes', () => {
    const place = { groupId: 'g', topic: 't', partition: 2 as PartitionIndex };
    const { key, value } = encodeGroupRecord({
      kind: 'offset-committed',
      ...place,
      committed: {
        offset: 7 as Offset,
        leaderEpoch: 3 as LeaderEpoch,
        metadata: 'm',
        commitTimestampMs: 255 as TimestampMs,
        expireTimestampMs: undefined,
        topicId: ZERO_TOPIC_ID,
      },
    });
    // int16 type 1, string, string, int32; int16 version 3, int64 offset, int32 epoch, string, int64 time.
    expect(key.toString('hex')).toBe('0001' + '000167' + '000174' + '00000002');
    expect(value?.toString('hex')).toBe('0003' + '0000000000000007' + '00000003' + '00016d' + '00000000000000ff');
    expect(encodeGroupRecord({ kind: 'offset-removed', ...place }).value).toBeNull();
    expect(encodeGroupRecord({ kind: 'group-removed', groupId: 'g' }).key.toString('hex')).toBe('0002' + '000167');
  });

  it('of older formats are read', () => {
    const legacy = Buffer.from('0000' + '000167' + '000174' + '00000002', 'hex');
    const v0 = Buffer.from('0000' + '0000000000000007' + '0000' + '00000000000000ff', 'hex');
    expect(decodeGroupRecord({ key: legacy, value: v0 })).toMatchObject({
      topic: 't',
      committed: { offset: 7, leaderEpoch: -1 },
    });
    const groupV0 = Buffer.from('0000' + '0000' + '00000001' + 'ffff' + 'ffff' + '00000000', 'hex');
    const groupKey = Buffer.from('0002' + '000167', 'hex');
    expect(decodeGroupRecord({ key: groupKey, value: groupV0 })).toMatchObject({
      group: { generationId: 1, stateTimestampMs: -1 },
    });
  });

  it('of other kinds stop the reader', () => {
    expect(() => decodeGroupRecord({ key: null, value: null })).toThrow(GroupRecordError);
    expect(() => decodeGroupRecord({ key: Buffer.from([0, 3, 0, 1, 0x67]), value: null })).toThrow(/type 3/);
  });
});
