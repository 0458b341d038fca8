import { ErrorCode } from '@streamline/core/types/error-code';
import { offsetDelete } from '@streamline/wire/kafka/apis/47-offset-delete';
import { coordinatorOf } from '../context/group-coordinator';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { topicByName } from '../context/topics';
import { handler } from './handler';

const DEADLINE_MS = 10_000;

/** Deletes committed offsets of topics that the group no longer subscribes to (KIP-496). */
export const offsetDeleteHandler = handler({
  api: offsetDelete,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const { image } = context;
    const known = request.topics.flatMap(({ name, partitions }) => {
      const topic = topicByName(image, name);
      const exists = partitions
        .map(({ partitionIndex }) => partitionIndex)
        .filter((index) => topic?.partitions[index] !== undefined);
      return topic === undefined || exists.length === 0 ? [] : [{ topic: name, topicId: topic.id, partitions: exists }];
    });
    const answer = await coordinatorOf(request.groupId, context).deleteOffsets(
      { groupId: request.groupId, topics: known },
      { deadlineMs: DEADLINE_MS },
    );
    if (answer.errorCode !== ErrorCode.NONE) return { errorCode: answer.errorCode, throttleTimeMs: 0, topics: [] };
    const deleted = new Map(answer.offsets.map(({ topic, partition, errorCode }) => [`${partition}:${topic}`, errorCode]));
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({
        partitionIndex,
        errorCode: deleted.get(`${partitionIndex}:${name}`) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
      })),
    }));
    return { errorCode: ErrorCode.NONE, throttleTimeMs: 0, topics };
  },
  failure(_request, error) {
    return { errorCode: error.code, throttleTimeMs: 0, topics: [] };
  },
});
