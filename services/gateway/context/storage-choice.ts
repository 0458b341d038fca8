import type { PartitionImage } from '@streamline/core/metadata/image';
import type { StoragePort } from '@streamline/wire/contracts/ports';
import type { RequestContext } from './request-context';

/**
 * Who answers for a partition at this gateway (docs/adr/0010): the storage of its own broker where that has a replica, since it knows
 * before any metadata whether it leads and in which epoch. Undefined where another broker is to be asked: clients are told so, and go
 * there themselves. Only a gateway that is no broker's asks leaders on their behalf.
 */
export function storageFor(partition: PartitionImage, context: RequestContext): StoragePort | undefined {
  const { nodeId, storage } = context.gateway;
  const { leader, replicas } = partition;
  if (leader === nodeId || replicas.includes(nodeId)) return storage.replicaAt(nodeId, partition);
  return leader === undefined || context.image.brokers.has(nodeId) ? undefined : storage.replicaAt(leader, partition);
}
