import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import type { NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { partitionOfGroup } from '@streamline/runtime/groups/offsets-topic';
import type { ClusterMachine } from '@streamline/testing/cluster/cluster-machine';
import type { History } from '@streamline/testing/history/log-history';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { Network } from '@streamline/testing/raft/network';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { DataCounters } from './counters';
import type { GroupTruth } from './group-truth';
import type { OwnTopic } from './invariants/own-topic';
import type { PartitionView } from './partition-view';
import type { DataPlan } from './plan';
import type { StorageSide } from './storage-side';
import type { Truth } from './truth';

/** Where clients write and read. */
export const DATA_TOPIC = 'data';
/** One that is deleted and created anew, and grows. */
export const BRIEF_TOPIC = 'brief';

/** Where the clients of a run live. */
export interface ClientWorld {
  readonly plan: DataPlan;
  readonly events: EventQueue;
  readonly random: SeededRandom;
  readonly links: Network;
  readonly counters: DataCounters;
  readonly machines: readonly ClusterMachine[];
  readonly history: History;
  readonly truth: Truth;
  readonly groups: GroupTruth;
  readonly ownTopic: OwnTopic;
  storageOf(machine: ClusterMachine): StorageSide | undefined;
  readonly partitions: PartitionView;
  /** For clients and connections, as the network knows them; no node has it. */
  nextId(): number;
  /** One line of the trace. */
  tell(line: () => string): void;
  /** What a client was told, for the hash of the run. */
  note(what: string): void;
  broken(error: unknown): void;
}

/** What a client knows of the cluster: the newest that a broker told it. */
export class KnownCluster {
  image: MetadataImage | undefined;

  take(image: MetadataImage): void {
    if (this.image === undefined || image.index > this.image.index) this.image = image;
  }

  topicId(name: string): TopicId | undefined {
    return this.image?.topicIdsByName.get(name);
  }

  partition(name: string, index: number): PartitionImage | undefined {
    const topicId = this.topicId(name);
    return topicId === undefined ? undefined : this.image?.topics.get(topicId)?.partitions[index as PartitionIndex];
  }

  leaderOf(name: string, index: number): NodeId | undefined {
    return this.partition(name, index)?.leader;
  }

  coordinatorOf(groupId: string): NodeId | undefined {
    const topicId = this.topicId(OFFSETS_TOPIC);
    const count = topicId === undefined ? 0 : (this.image?.topics.get(topicId)?.partitions.length ?? 0);
    return count === 0 ? undefined : this.leaderOf(OFFSETS_TOPIC, partitionOfGroup(groupId, count));
  }
}
