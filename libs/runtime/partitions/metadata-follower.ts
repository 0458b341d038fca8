import type { MetadataImage, PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { NodeId, TopicId } from '@streamline/core/types/ids';
import type { LogEngine, PartitionKey } from '../log/log-engine';
import { LogError } from '../log/log-error';
import type { MetadataChange } from '../metadata/metadata-replica';
import { HostedPartition } from './hosted-partition';
import type { ReplicationHost } from '../replication/replication-host';
import type { LeadershipChange } from './local-partitions';
import type { LogSink } from './log-sink';
import type { PartitionTable } from './partition-table';
import { replicaMetadata, replicatedPartition } from './replicated-partition';
import { sameLogConfig, topicSettings } from './topic-settings';
import type { TopicSettings } from './topic-settings';

/**
 * Makes the logs of this node what the metadata says they should be: opened, led in the right epoch, configured, deleted.
 *
 * It does nothing until `activate`, which is called once the image includes this incarnation's registration: an older
 * image would let it lead in an epoch that is over, and take topics for deleted that are merely newer than it.
 */
export class MetadataFollower {
  private isActive = false;
  /** The highest metadata index that was followed. */
  private highestIndex = -1;
  private readonly listeners = new Set<(change: LeadershipChange) => void>();
  /** Deletions under way, so that a stop can wait for them. */
  private readonly deletions = new Set<Promise<void>>();

  constructor(
    private readonly nodeId: NodeId,
    private readonly engine: LogEngine,
    private readonly table: PartitionTable,
    private readonly log: LogSink,
    private readonly producerIdExpirationMs: number,
    private readonly replication: Pick<ReplicationHost, 'adopt' | 'drop'>,
  ) {}

  /** Takes over the whole image and whatever is on disk, and follows changes from now on. */
  activate(image: MetadataImage): void {
    this.isActive = true;
    this.takeOver(image);
    this.highestIndex = Math.max(this.highestIndex, image.index);
  }

  /**
   * This incarnation's replicas are let go of: another one makes its own. Nothing is led meanwhile but what is alone, and changes are
   * not followed until `activate`, which takes over the whole image.
   */
  letGoOfReplicas(): void {
    this.isActive = false;
    for (const partition of this.table.all()) {
      if (partition.replica === undefined) continue;
      partition.replica = undefined;
      this.resign(partition, ErrorCode.NOT_LEADER_OR_FOLLOWER, false);
    }
  }

  /** Stops leading everything; nothing is changed on disk. */
  deactivate(): void {
    this.isActive = false;
    for (const partition of this.table.all()) this.resign(partition, ErrorCode.NOT_LEADER_OR_FOLLOWER, false);
  }

  apply(change: MetadataChange, image: MetadataImage): void {
    if (!this.isActive) return;
    if (change.isSnapshot) this.takeOver(image);
    else this.applyChange(change, image);
    this.highestIndex = Math.max(this.highestIndex, image.index);
  }

  private applyChange(change: MetadataChange, image: MetadataImage): void {
    for (const topicId of change.removedTopics) this.removeTopic(topicId);
    for (const topicId of change.changedTopics) {
      const topic = image.topics.get(topicId);
      if (topic !== undefined) this.takeOverTopic(topic, image);
    }
    if (change.changedConfigs.has('')) {
      for (const topic of image.topics.values()) this.configure(topic.id, this.settings(image, topic.name));
      return;
    }
    for (const name of change.changedConfigs) {
      const topicId = image.topicIdsByName.get(name);
      if (topicId !== undefined) this.configure(topicId, this.settings(image, name));
    }
  }

  /** Tells of every change of leadership from now on, and of what is led already. */
  onLeadership(listener: (change: LeadershipChange) => void): () => void {
    this.listeners.add(listener);
    for (const partition of this.table.all()) if (partition.leading !== undefined) listener(changeOf(partition, false));
    return () => this.listeners.delete(listener);
  }

  /** Resolves when the deletions that are under way are done. */
  async settled(): Promise<void> {
    await Promise.all([...this.deletions]);
  }

  private takeOver(image: MetadataImage): void {
    if (image.index < this.highestIndex) {
      this.log.warn(
        { index: image.index, highest: this.highestIndex },
        'a metadata snapshot is older than what is known: nothing is deleted by it',
      );
      return;
    }
    for (const topic of image.topics.values()) this.takeOverTopic(topic, image);
    const gone = [...this.engine.all()].map((each) => each.key).filter((key) => !this.belongsHere(image, key));
    for (const key of gone) this.remove(key, image.topics.get(key.topicId)?.partitions[key.partition] === undefined);
  }

  private belongsHere(image: MetadataImage, { topicId, partition }: PartitionKey): boolean {
    return image.topics.get(topicId)?.partitions[partition]?.replicas.includes(this.nodeId) === true;
  }

  private takeOverTopic(topic: TopicImage, image: MetadataImage): void {
    const settings = this.settings(image, topic.name);
    for (const partition of topic.partitions) {
      if (partition.replicas.includes(this.nodeId)) this.takeOverPartition(topic, partition, settings);
      else this.remove({ topicId: topic.id, partition: partition.partition }, false);
    }
  }

  private takeOverPartition(topic: TopicImage, image: PartitionImage, settings: TopicSettings): void {
    const hosted = this.hosted(topic, image, settings);
    if (hosted === undefined) return;
    hosted.image = image;
    this.configurePartition(hosted, settings);
    if (hosted.replica !== undefined || image.replicas.length > 1) {
      this.replicate(hosted);
    } else if (image.leader !== this.nodeId) {
      this.resign(hosted, ErrorCode.NOT_LEADER_OR_FOLLOWER, false);
    } else if (hosted.leading !== image.leaderEpoch) {
      hosted.lead(image.leaderEpoch);
      this.tell(changeOf(hosted, false));
    } else {
      hosted.refresh();
    }
  }

  /** Others have replicas too: what is said in between decides who leads when, and what is committed. */
  private replicate(hosted: HostedPartition): void {
    const tell = (): void => this.tell(changeOf(hosted, false));
    const dropLog = (): Promise<void> => this.dropLog(hosted);
    hosted.replica ??= this.replication.adopt(replicatedPartition(hosted, tell, dropLog), hosted.highWatermark);
    hosted.replica.learn(replicaMetadata(hosted));
    // It led as the only replica, which the others' core has not heard of.
    if (!hosted.replica.isLeading) this.resign(hosted, ErrorCode.NOT_LEADER_OR_FOLLOWER, false);
  }

  /**
   * A log that failed is deleted for good, and another life of the partition begins, empty (LOG-2). After a crash there is the log that
   * failed, or none, which makes a new one: never a part of one.
   */
  private async dropLog(hosted: HostedPartition): Promise<void> {
    const { key } = hosted;
    await this.engine.delete(key);
    if (this.table.get(key.topicId, key.partition) !== hosted)
      throw new LogError('gone', `${hosted.topicName}-${key.partition} is no replica of this broker any more`);
    hosted.renewLog(this.engine.open(key, hosted.settings.log));
  }

  private hosted(topic: TopicImage, image: PartitionImage, settings: TopicSettings): HostedPartition | undefined {
    const known = this.table.get(topic.id, image.partition);
    if (known !== undefined) return known;
    const key: PartitionKey = { topicId: topic.id, partition: image.partition };
    try {
      const opened = this.engine.open(key, settings.log);
      const hosted = new HostedPartition(this.nodeId, topic.name, opened, image, settings);
      if (!sameLogConfig(opened.config, settings.log)) opened.configure(settings.log);
      this.table.set(hosted);
      return hosted;
    } catch (error) {
      this.log.error(
        { topic: topic.name, partition: image.partition, err: error },
        'a partition could not be opened and is not served',
      );
      return undefined;
    }
  }

  private settings(image: MetadataImage, topicName: string): TopicSettings {
    return topicSettings(image, topicName, this.producerIdExpirationMs);
  }

  private configure(topicId: TopicId, settings: TopicSettings): void {
    for (const partition of this.table.ofTopic(topicId)) {
      this.configurePartition(partition, settings);
      if (partition.replica === undefined) partition.refresh();
      else this.replicate(partition);
    }
  }

  private configurePartition(partition: HostedPartition, settings: TopicSettings): void {
    partition.settings = settings;
    if (!sameLogConfig(partition.log.config, settings.log)) partition.log.configure(settings.log);
  }

  private removeTopic(topicId: TopicId): void {
    for (const partition of this.table.ofTopic(topicId)) this.remove(partition.key, true);
  }

  /** `isDeleted`: the partition is gone; otherwise others have its replicas now. */
  private remove(key: PartitionKey, isDeleted: boolean): void {
    const hosted = this.table.get(key.topicId, key.partition);
    this.table.delete(key.topicId, key.partition);
    if (hosted?.replica !== undefined) void this.replication.drop(hosted.replica);
    const errorCode = isDeleted ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.NOT_LEADER_OR_FOLLOWER;
    if (hosted !== undefined) this.resign(hosted, errorCode, isDeleted);
    if (this.engine.get(key) === undefined) return;
    const deletion = this.engine.delete(key).catch((error: unknown) => {
      this.log.error({ topicId: key.topicId, partition: key.partition, err: error }, 'a deleted partition still takes space');
    });
    this.deletions.add(deletion);
    void deletion.then(() => this.deletions.delete(deletion));
  }

  private resign(partition: HostedPartition, errorCode: ErrorCode, deleted: boolean): void {
    const wasLeading = partition.leading !== undefined;
    partition.resign(errorCode);
    if (wasLeading || deleted) this.tell(changeOf(partition, deleted));
  }

  private tell(change: LeadershipChange): void {
    for (const listener of this.listeners) listener(change);
  }
}

function changeOf(partition: HostedPartition, deleted: boolean): LeadershipChange {
  const { topicId, partition: index } = partition.key;
  return {
    topicId,
    topicName: partition.topicName,
    partition: index,
    leaderEpoch: partition.leading,
    deleted,
  };
}
