import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import type { LeaderHint } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { HostedPartition } from './hosted-partition';

/** What a request for a partition finds here: the replica that leads it, or why there is none. */
export type Located =
  | { readonly ok: true; readonly partition: HostedPartition }
  | { readonly ok: false; readonly errorCode: ErrorCode; readonly message: string };

const NO_LEADER = -1;

/** The replicas on this node, found by topic id and partition without building a key. */
export class PartitionTable {
  private readonly topics = new Map<TopicId, Map<PartitionIndex, HostedPartition>>();
  private count = 0;

  constructor(private readonly currentImage: () => MetadataImage) {}

  get size(): number {
    return this.count;
  }

  get image(): MetadataImage {
    return this.currentImage();
  }

  get(topicId: TopicId, partition: PartitionIndex): HostedPartition | undefined {
    return this.topics.get(topicId)?.get(partition);
  }

  set(partition: HostedPartition): void {
    const { topicId } = partition.key;
    let ofTopic = this.topics.get(topicId);
    if (ofTopic === undefined) this.topics.set(topicId, (ofTopic = new Map()));
    if (!ofTopic.has(partition.key.partition)) this.count += 1;
    ofTopic.set(partition.key.partition, partition);
  }

  delete(topicId: TopicId, partition: PartitionIndex): void {
    const ofTopic = this.topics.get(topicId);
    if (ofTopic?.delete(partition) !== true) return;
    this.count -= 1;
    if (ofTopic.size === 0) this.topics.delete(topicId);
  }

  ofTopic(topicId: TopicId): HostedPartition[] {
    return [...(this.topics.get(topicId)?.values() ?? [])];
  }

  *all(): Generator<HostedPartition, void, void> {
    for (const ofTopic of this.topics.values()) yield* ofTopic.values();
  }

  /** What the metadata says of a partition, wherever it lies. */
  describe(topicId: string, partition: number): PartitionImage | undefined {
    return this.image.topics.get(topicId as TopicId)?.partitions[partition];
  }

  /**
   * The leading replica here. Errors: 100 an unknown topic id, 3 an unknown partition, 74/75 an epoch that is older or
   * newer than the leader's (looked at first), 6 not the leader, 56 a log that failed.
   *
   * @param currentLeaderEpoch the epoch that the client knows, -1: not checked (KIP-320).
   */
  locate(topicId: string, partition: number, currentLeaderEpoch = -1): Located {
    const hosted = this.get(topicId as TopicId, partition as PartitionIndex);
    if (hosted === undefined) return this.absent(topicId, partition);
    if (currentLeaderEpoch >= 0 && currentLeaderEpoch !== hosted.image.leaderEpoch) return wrongEpoch(currentLeaderEpoch, hosted);
    if (hosted.leading === undefined) {
      const isFailed = hosted.log.offlineReason !== undefined && hosted.image.leader === hosted.nodeId;
      if (isFailed) return refused(ErrorCode.KAFKA_STORAGE_ERROR, hosted.log.offlineReason ?? '');
      return refused(
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        `node ${hosted.nodeId} does not lead partition ${partition} of ${hosted.topicName}`,
      );
    }
    if (hosted.log.offlineReason !== undefined) return refused(ErrorCode.KAFKA_STORAGE_ERROR, hosted.log.offlineReason);
    return { ok: true, partition: hosted };
  }

  /** Where a client should turn to, as the metadata knows it; where this broker is cut off, who probably leads by now (REPL-20). */
  leaderHint(topicId: string, partition: number): LeaderHint | undefined {
    const image = this.describe(topicId, partition);
    if (image === undefined) return undefined;
    const likely = this.get(topicId as TopicId, partition as PartitionIndex)?.replica?.likelyLeader;
    return { leaderId: likely ?? image.leader ?? NO_LEADER, leaderEpoch: image.leaderEpoch };
  }

  private absent(topicId: string, partition: number): Located {
    const topic = this.image.topics.get(topicId as TopicId);
    if (topic === undefined) return refused(ErrorCode.UNKNOWN_TOPIC_ID, `no topic has the id ${topicId}`);
    if (topic.partitions[partition] === undefined) {
      return refused(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${topic.name} has no partition ${partition}`);
    }
    return refused(ErrorCode.NOT_LEADER_OR_FOLLOWER, `partition ${partition} of ${topic.name} is not served here`);
  }
}

/** True for errors that say that the metadata knows no such partition; a fetch waits beside them. */
export function isUnknownPartition(errorCode: number): boolean {
  return errorCode === ErrorCode.UNKNOWN_TOPIC_ID || errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function wrongEpoch(requested: number, hosted: HostedPartition): Located {
  const current = hosted.image.leaderEpoch;
  return requested < current
    ? refused(ErrorCode.FENCED_LEADER_EPOCH, `leader epoch ${requested} is over, it is ${current} now`)
    : refused(ErrorCode.UNKNOWN_LEADER_EPOCH, `leader epoch ${requested} is not known here yet, it is ${current}`);
}

function refused(errorCode: ErrorCode, message: string): Located {
  return { ok: false, errorCode, message };
}
