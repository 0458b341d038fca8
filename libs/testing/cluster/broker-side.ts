import type { MetadataImage } from '@streamline/core/metadata/image';
import type { ClusterId } from '@streamline/core/types/ids';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ClusterProcess } from './cluster-process';

/** The storage side of a node, as far as the rest of its process has to do with it. */
export interface BrokerSide {
  /** Of its registration; -1 before. */
  readonly epoch: number;
  readonly isServing: boolean;
  /** The node belongs to a cluster now. */
  start(clusterId: ClusterId): void;
  stop(): void;
  /** A controlled shutdown. */
  leave(): Promise<void>;
  /** As its cluster knows it: registered by this process, unfenced. */
  isUnfencedIn(brokers: MetadataImage['brokers']): boolean;
}

export type MakeBroker = (process: ClusterProcess, replica: MetadataReplica, random: SeededRandom) => BrokerSide;
