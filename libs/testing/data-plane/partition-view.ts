import type { MetadataImage } from '@streamline/core/metadata/image';
import type { PartitionIndex } from '@streamline/core/types/ids';
import type { PartitionKey, PartitionLog } from '@streamline/runtime/log/log-engine';
import type { ClusterMachine } from '@streamline/testing/cluster/cluster-machine';
import { BRIEF_TOPIC, DATA_TOPIC } from './client-world';
import type { DataPlan } from './plan';
import { StorageSide } from './storage-side';

export interface PartitionEnd extends PartitionKey {
  /** Undefined: not all that its leader has is committed, or nobody leads. */
  readonly end: number | undefined;
}

/** Partitions as the committed metadata has them, with what their leaders hold. */
export class PartitionView {
  constructor(
    private readonly plan: DataPlan,
    private readonly machines: readonly ClusterMachine[],
    private readonly current: () => MetadataImage,
  ) {}

  get image(): MetadataImage {
    return this.current();
  }

  /** Storage sides of processes that run. */
  sides(): readonly StorageSide[] {
    return this.machines.flatMap(({ process }) => (process?.broker instanceof StorageSide ? [process.broker] : []));
  }

  /** Of the clients' topic. */
  key(place: number): PartitionKey | undefined {
    const topicId = this.image.topicIdsByName.get(DATA_TOPIC);
    return topicId && { topicId, partition: place as PartitionIndex };
  }

  /** Where the partitions of the clients' topic end. */
  ends(): readonly (number | undefined)[] {
    return Array.from({ length: this.plan.topic.partitions }, (_, place) => this.#endOf(this.key(place)));
  }

  /** Those of the topic that comes and goes, if it is there. */
  briefEnds(): readonly PartitionEnd[] {
    const { topicIdsByName, topics } = this.image;
    const topicId = topicIdsByName.get(BRIEF_TOPIC);
    const partitions = (topicId && topics.get(topicId)?.partitions) ?? [];
    return partitions.map((partition) => {
      const key = { topicId: partition.topicId, partition: partition.partition };
      return { ...key, end: this.#endOf(key) };
    });
  }

  /** As its leader has it. */
  logOf(key: PartitionKey): PartitionLog | undefined {
    return this.#leaderOf(key)?.engine?.get(key);
  }

  /** Machines that lead some partition of the clients' topic. */
  leaders(): readonly ClusterMachine[] {
    const topicId = this.key(0)?.topicId;
    const partitions = (topicId && this.image.topics.get(topicId)?.partitions) ?? [];
    return partitions.flatMap(({ leader }) => this.machines[(leader ?? 0) - 1] ?? []);
  }

  /** Nothing that was acknowledged is on the machine's disk alone, nor will be found to be. */
  canLose(machine: ClusterMachine): boolean {
    const isInCaches = this.plan.topic.durability === 'page-cache' && !this.#areAllRegistered();
    return this.#isWholeWithout(machine) && !isInCaches && !this.restOnPageCaches();
  }

  /** What was acknowledged may be in page caches alone until a disk that was lost has another in its place. */
  restOnPageCaches(): boolean {
    const { brokers } = this.image;
    const isReplaced = ({ nodeId, directory }: ClusterMachine): boolean => brokers.get(nodeId)?.directoryId === directory.id;
    return this.plan.topic.durability === 'page-cache' && !this.machines.every(isReplaced);
  }

  /** Whoever has lost its page cache says so when it registers. */
  #areAllRegistered(): boolean {
    const { brokers } = this.image;
    return this.machines.every(
      ({ nodeId, process }) => process === undefined || brokers.get(nodeId)?.incarnationId === process.incarnationId,
    );
  }

  /** All replicas are in sync, and other machines that are up lead. */
  #isWholeWithout(machine: ClusterMachine): boolean {
    return [...this.image.topics.values()].every(({ partitions }) =>
      partitions.every(({ leader, isr, replicas, addingReplicas, removingReplicas }) => {
        const isMoving = addingReplicas.length + removingReplicas.length > 0;
        const isLed = leader !== machine.nodeId && this.machines[(leader ?? 0) - 1]?.isUp === true;
        return isLed && !isMoving && isr.length === replicas.length;
      }),
    );
  }

  #leaderOf({ topicId, partition }: PartitionKey): StorageSide | undefined {
    const leader = this.image.topics.get(topicId)?.partitions[partition]?.leader;
    return this.sides().find(({ process }) => process.nodeId === leader);
  }

  #endOf(key: PartitionKey | undefined): number | undefined {
    const bounds = key && this.#leaderOf(key)?.local?.bounds(key);
    return bounds?.highWatermark === bounds?.logEndOffset ? bounds?.logEndOffset : undefined;
  }
}
