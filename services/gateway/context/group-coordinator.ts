import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import { KafkaError } from './kafka-error';
import type { RequestContext } from './request-context';
import { storageFor } from './storage-choice';
import { topicByName } from './topics';

/** The partition of the offsets topic that holds a group, by Java's hash of its id; undefined while there is no such topic. */
export function coordinatorPartition(image: MetadataImage, groupId: string): PartitionImage | undefined {
  const topic = topicByName(image, OFFSETS_TOPIC);
  if (topic === undefined || topic.partitions.length === 0) return undefined;
  return topic.partitions[coordinatorIndex(groupId, topic.partitions.length)];
}

/** Kafka's `Utils.abs(groupId.hashCode) % partitions`. */
export function coordinatorIndex(groupId: string, partitions: number): number {
  let hash = 0;
  for (let i = 0; i < groupId.length; i++) hash = (Math.imul(31, hash) + groupId.charCodeAt(i)) | 0;
  return (hash === -2_147_483_648 ? 0 : Math.abs(hash)) % partitions;
}

/**
 * The coordinator of a group; where this broker has a replica of its partition but does not lead it, the storage says so.
 * @throws KafkaError with NOT_COORDINATOR, on which clients look it up again, where this broker has none.
 */
export function coordinatorOf(groupId: string, context: RequestContext): GroupPort {
  const partition = coordinatorPartition(context.image, groupId);
  const storage = partition === undefined ? undefined : storageFor(partition, context);
  if (storage === undefined) throw new KafkaError(ErrorCode.NOT_COORDINATOR, 'this broker does not coordinate the group');
  return storage.groups;
}
