import type { PartitionImage } from '@streamline/core/metadata/image';
import { movingPartitions } from '@streamline/core/metadata/reassignments';
import { isMoving } from '@streamline/core/metadata/moves';
import { listPartitionReassignments } from '@streamline/wire/kafka/apis/46-list-partition-reassignments';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

/** Tells which partitions move (KIP-455), by this node's metadata. What is not there, or does not move, is left out. */
export const listPartitionReassignmentsHandler = handler({
  api: listPartitionReassignments,
  failures: CONTROLLER_FAILURES,
  handle({ topics }, { image }) {
    const moving = topics === null ? allMoving(image) : askedFor(image, topics);
    const answered = [...moving].map(([name, partitions]) => ({ name, partitions: partitions.map(described) }));
    return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, topics: answered };
  },
  failure(_request, { code, message }) {
    return { throttleTimeMs: 0, errorCode: code, errorMessage: message, topics: [] };
  },
});

type ByTopic = ReadonlyMap<string, readonly PartitionImage[]>;

function allMoving(image: RequestContext['image']): ByTopic {
  const topics = new Map<string, PartitionImage[]>();
  for (const { topic, partition } of movingPartitions(image)) {
    const known = topics.get(topic);
    if (known === undefined) topics.set(topic, [partition]);
    else known.push(partition);
  }
  return topics;
}

function askedFor(
  image: RequestContext['image'],
  asked: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[],
): ByTopic {
  const topics = new Map<string, readonly PartitionImage[]>();
  for (const { name, partitionIndexes } of asked) {
    const id = image.topicIdsByName.get(name);
    const partitions = id === undefined ? undefined : image.topics.get(id)?.partitions;
    const moving = [...new Set(partitionIndexes)].flatMap((index) => {
      const partition = partitions?.[index];
      return partition !== undefined && isMoving(partition) ? [partition] : [];
    });
    if (moving.length > 0) topics.set(name, moving);
  }
  return topics;
}

function described({ partition, replicas, addingReplicas, removingReplicas }: PartitionImage) {
  return {
    partitionIndex: partition,
    replicas: [...replicas],
    addingReplicas: [...addingReplicas],
    removingReplicas: [...removingReplicas],
  };
}
