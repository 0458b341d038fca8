import type { PartitionImage } from '@streamline/core/metadata/image';
import type { NodeId } from '@streamline/core/types/ids';
import type { StoragePort } from '@streamline/wire/contracts/ports';

/**
 * Where partitions live. A broker's partitions may be spread over several storage processes, here or on other machines;
 * whoever composes a process binds this to direct calls and gRPC.
 */
export interface StorageRouter {
  /** The storage of a broker in which its replica of the partition is; undefined where none is known. */
  replicaAt(broker: NodeId, partition: PartitionImage): StoragePort | undefined;
  /** Every storage of a broker, for questions about all that it holds. */
  ofBroker(broker: NodeId): readonly StoragePort[];
}
