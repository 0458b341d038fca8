import type { CommittedOffset, GroupRecord, StoredGroup } from '@streamline/core/groups/group-record';
import type { LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { ValueOf } from '@streamline/wire/kafka/coordinator/coordinator-record';
import { recordTypeOf } from '@streamline/wire/kafka/coordinator/coordinator-record';
import { legacyOffsetCommitRecord } from '@streamline/wire/kafka/coordinator/group/00-legacy-offset-commit';
import { offsetCommitRecord } from '@streamline/wire/kafka/coordinator/group/01-offset-commit';
import { groupMetadataRecord } from '@streamline/wire/kafka/coordinator/group/02-group-metadata';

/** A record's key and value as they stand in __consumer_offsets; a null value is a tombstone. */
export interface EncodedRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

/** Thrown for a record that this version cannot read: it stops the reader, which would otherwise forget what it says. */
export class GroupRecordError extends Error {
  override readonly name = 'GroupRecordError';
}

/** Kafka's value versions: 1 carries an expiry of its own, 3 the leader epoch, 4 the topic id as well. */
const VALUE_WITH_EXPIRY = 1;
const VALUE_WITH_EPOCH = 3;
const VALUE_WITH_TOPIC_ID = 4;
const GROUP_VALUE = 3;

/** Encodes a record in Kafka's own format. @throws EncodeError for what the format cannot say, such as a string of 32 KiB. */
export function encodeGroupRecord(record: GroupRecord): EncodedRecord {
  switch (record.kind) {
    case 'offset-committed':
      return { key: offsetKey(record), value: encodeCommitted(record.committed) };
    case 'offset-removed':
      return { key: offsetKey(record), value: null };
    case 'group-stored':
      return { key: groupMetadataRecord.encodeKey({ group: record.groupId }), value: encodeStored(record.group) };
    case 'group-removed':
      return { key: groupMetadataRecord.encodeKey({ group: record.groupId }), value: null };
  }
}

/**
 * Decodes a record, also one in an older format. What is kept is copied out of the buffers.
 *
 * @throws GroupRecordError for a type that is not of classic groups, WireError for bytes that are no such record.
 */
export function decodeGroupRecord({ key, value }: { key: Buffer | null; value: Buffer | null }): GroupRecord {
  if (key === null) throw new GroupRecordError('a record of the offsets topic has no key');
  const type = recordTypeOf(key);
  switch (type) {
    case legacyOffsetCommitRecord.type:
      return decodeOffset(legacyOffsetCommitRecord.decodeKey(key), value);
    case offsetCommitRecord.type:
      return decodeOffset(offsetCommitRecord.decodeKey(key), value);
    case groupMetadataRecord.type: {
      const { group: groupId } = groupMetadataRecord.decodeKey(key);
      if (value === null) return { kind: 'group-removed', groupId };
      return { kind: 'group-stored', groupId, group: decodeStored(groupMetadataRecord.decodeValue(value)) };
    }
    default:
      throw new GroupRecordError(`the offsets topic has a record of type ${type}, which this version cannot read`);
  }
}

function offsetKey({ groupId, topic, partition }: { groupId: string; topic: string; partition: PartitionIndex }): Buffer {
  return offsetCommitRecord.encodeKey({ group: groupId, topic, partition });
}

function encodeCommitted(committed: CommittedOffset): Buffer {
  const { metadata, leaderEpoch, expireTimestampMs, topicId } = committed;
  const offset = BigInt(committed.offset);
  const commitTimestamp = BigInt(committed.commitTimestampMs);
  if (expireTimestampMs !== undefined) {
    const expireTimestamp = BigInt(expireTimestampMs);
    return offsetCommitRecord.encodeValue(VALUE_WITH_EXPIRY, { offset, metadata, commitTimestamp, expireTimestamp });
  }
  if (topicId === ZERO_TOPIC_ID) {
    return offsetCommitRecord.encodeValue(VALUE_WITH_EPOCH, { offset, leaderEpoch, metadata, commitTimestamp });
  }
  return offsetCommitRecord.encodeValue(VALUE_WITH_TOPIC_ID, { offset, leaderEpoch, metadata, commitTimestamp, topicId });
}

function decodeOffset(
  { group: groupId, topic, partition }: { group: string; topic: string; partition: number },
  value: Buffer | null,
) {
  const place = { groupId, topic, partition: partition as PartitionIndex };
  if (value === null) return { kind: 'offset-removed' as const, ...place };
  return { kind: 'offset-committed' as const, ...place, committed: decodeCommitted(offsetCommitRecord.decodeValue(value)) };
}

function decodeCommitted(value: ValueOf<typeof offsetCommitRecord>): CommittedOffset {
  return {
    offset: Number(value.offset) as Offset,
    leaderEpoch: value.leaderEpoch as LeaderEpoch | -1,
    metadata: value.metadata,
    commitTimestampMs: Number(value.commitTimestamp) as TimestampMs,
    expireTimestampMs: value.expireTimestamp < 0n ? undefined : (Number(value.expireTimestamp) as TimestampMs),
    topicId: value.topicId as TopicId,
  };
}

function encodeStored(group: StoredGroup): Buffer {
  return groupMetadataRecord.encodeValue(GROUP_VALUE, {
    protocolType: group.protocolType,
    generation: group.generationId,
    protocol: group.protocol ?? null,
    leader: group.leader ?? null,
    currentStateTimestamp: BigInt(group.stateTimestampMs),
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId ?? null,
      clientId: member.clientId,
      clientHost: member.clientHost,
      rebalanceTimeout: member.rebalanceTimeoutMs,
      sessionTimeout: member.sessionTimeoutMs,
      subscription: bufferOf(member.subscription),
      assignment: bufferOf(member.assignment),
    })),
  });
}

function decodeStored(value: ValueOf<typeof groupMetadataRecord>): StoredGroup {
  return {
    protocolType: value.protocolType,
    generationId: value.generation,
    protocol: value.protocol ?? undefined,
    leader: value.leader ?? undefined,
    stateTimestampMs: Number(value.currentStateTimestamp) as TimestampMs | -1,
    members: value.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId ?? undefined,
      clientId: member.clientId,
      clientHost: member.clientHost,
      // Version 0 had no rebalance timeout of its own.
      rebalanceTimeoutMs: member.rebalanceTimeout < 0 ? member.sessionTimeout : member.rebalanceTimeout,
      sessionTimeoutMs: member.sessionTimeout,
      subscription: Buffer.from(member.subscription),
      assignment: Buffer.from(member.assignment),
    })),
  };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
