import type { GroupRecord } from '@streamline/core/groups/group-record';
import type { LeaderEpoch, Offset, PartitionIndex, TimestampMs, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import { offsetCommitRecord } from '@streamline/wire/kafka/coordinator/group/01-offset-commit';
import { NameCache } from './name-cache';

const INT16_BYTES = 2;
const INT32_BYTES = 4;
const INT64_BYTES = 8;
const TOPIC_ID_BYTES = 16;
const TWO_TO_THE_32 = 0x1_0000_0000;

const VALUE_WITH_EPOCH = 3;
const VALUE_WITH_TOPIC_ID = 4;
/** Before the metadata: version, offset, leader epoch. */
const METADATA_AT = INT16_BYTES + INT64_BYTES + INT32_BYTES;
/** A length of one byte, in the encoding of flexible versions: the length and one more. */
const SHORT_LENGTH_MAX = 0x7f;
/** Behind the time of a v4: one tagged field, tag 0, of 16 bytes. */
const TAGS_BYTES = 3;

/**
 * Reads the record that nearly all of a coordinator's log consists of, a committed offset as this broker and Kafka >= 2.1
 * write it, several times as fast as its schema does (`decodeGroupRecord`): loading is bound by it. What it does not know
 * it leaves to the schema. Lives as long as one load.
 */
export class CommittedOffsetReader {
  private readonly names = new NameCache('utf8');
  private readonly topicIds = new NameCache('base64url');

  /** Undefined for any other record, also for one that is wrong. */
  read(key: Buffer | null, value: Buffer | null): GroupRecord | undefined {
    if (key === null || value === null || key.length < 10 || value.length < METADATA_AT + INT64_BYTES + 1) return undefined;
    if (key.readInt16BE(0) !== offsetCommitRecord.type) return undefined;
    const groupAt = 2 * INT16_BYTES;
    const groupEnd = groupAt + key.readInt16BE(INT16_BYTES);
    const topicAt = groupEnd + INT16_BYTES;
    if (groupEnd < groupAt || topicAt + INT32_BYTES > key.length) return undefined;
    const topicEnd = topicAt + key.readInt16BE(groupEnd);
    if (topicEnd < topicAt || topicEnd + INT32_BYTES !== key.length) return undefined;
    const committed = this.readValue(value);
    if (committed === undefined) return undefined;
    return {
      kind: 'offset-committed',
      groupId: this.names.read(key, groupAt, groupEnd),
      topic: this.names.read(key, topicAt, topicEnd),
      partition: key.readInt32BE(topicEnd) as PartitionIndex,
      committed,
    };
  }

  private readValue(value: Buffer) {
    switch (value.readInt16BE(0)) {
      case VALUE_WITH_EPOCH: {
        const metadataAt = METADATA_AT + INT16_BYTES;
        const metadataEnd = metadataAt + value.readInt16BE(METADATA_AT);
        if (metadataEnd < metadataAt || metadataEnd + INT64_BYTES !== value.length) return undefined;
        return this.committedOf(value, metadataAt, metadataEnd, ZERO_TOPIC_ID);
      }
      case VALUE_WITH_TOPIC_ID: {
        const metadataAt = METADATA_AT + 1;
        const length = value.readUInt8(METADATA_AT);
        const metadataEnd = metadataAt + length - 1;
        const tagsAt = metadataEnd + INT64_BYTES;
        const topicIdAt = tagsAt + TAGS_BYTES;
        if (length === 0 || length > SHORT_LENGTH_MAX || topicIdAt + TOPIC_ID_BYTES !== value.length) return undefined;
        if (value[tagsAt] !== 1 || value[tagsAt + 1] !== 0 || value[tagsAt + 2] !== TOPIC_ID_BYTES) return undefined;
        const topicId = this.topicIds.read(value, topicIdAt, topicIdAt + TOPIC_ID_BYTES) as TopicId;
        return this.committedOf(value, metadataAt, metadataEnd, topicId);
      }
      default:
        return undefined;
    }
  }

  private committedOf(value: Buffer, metadataAt: number, metadataEnd: number, topicId: TopicId) {
    return {
      offset: int64At(value, INT16_BYTES) as Offset,
      leaderEpoch: value.readInt32BE(INT16_BYTES + INT64_BYTES) as LeaderEpoch | -1,
      metadata: metadataAt === metadataEnd ? '' : this.names.read(value, metadataAt, metadataEnd),
      commitTimestampMs: int64At(value, metadataEnd) as TimestampMs,
      expireTimestampMs: undefined,
      topicId,
    };
  }
}

/** As `Number` of the bigint. */
function int64At(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * TWO_TO_THE_32 + bytes.readUInt32BE(at + INT32_BYTES);
}
