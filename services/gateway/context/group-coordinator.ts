import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { ConnectionFacts } from '@streamline/runtime/gateway/connection';
import type { GroupPort, StoragePort } from '@streamline/wire/contracts/ports';
import { KafkaError } from './kafka-error';
import type { RequestContext } from './request-context';
import { topicByName } from './topics';
import { OFFSETS_TOPIC } from './topic-creator';

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
 * The coordinator of a group.
 * @throws KafkaError with NOT_COORDINATOR, on which clients look it up again, where it cannot be reached from here.
 */
export function coordinatorOf(groupId: string, context: RequestContext): GroupPort {
  return storageOf(groupId, context).groups;
}

function storageOf(groupId: string, context: RequestContext): StoragePort {
  const partition = coordinatorPartition(context.image, groupId);
  const storage = partition === undefined ? undefined : context.gateway.storage.leaderOf(partition);
  if (storage === undefined) throw new KafkaError(ErrorCode.NOT_COORDINATOR, 'this broker does not coordinate the group');
  return storage;
}

/** The end of the last call of each connection to a coordinator that may see its calls in another order. */
const unanswered = new WeakMap<ConnectionFacts, Promise<void>>();

/**
 * Asks the coordinator of a group so that pipelined requests of one connection take effect in their order: at once where it
 * keeps the order of its calls, else when the call before is answered.
 * @throws KafkaError as `coordinatorOf`.
 */
export function askInOrder<Answer>(
  groupId: string,
  context: RequestContext,
  ask: (coordinator: GroupPort) => Promise<Answer>,
): Promise<Answer> {
  const { groups, keepsOrder } = storageOf(groupId, context);
  const { connection } = context;
  const before = unanswered.get(connection);
  if (keepsOrder === true && before === undefined) return ask(groups);
  const answer = before === undefined ? ask(groups) : before.then(() => ask(groups));
  const forget = (): void => {
    if (unanswered.get(connection) === ended) unanswered.delete(connection);
  };
  const ended: Promise<void> = answer.then(forget, forget);
  unanswered.set(connection, ended);
  return answer;
}
