import { effectiveTopicConfig, isInternalTopic } from '@streamline/core/metadata/topic-configs';
import { ErrorCode } from '@streamline/core/types/error-code';
import type { DeletedRecords } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { deleteRecords } from '@streamline/wire/kafka/apis/21-delete-records';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { controllerDeadlineMs } from '../context/controller-calls';
import { STORAGE_FAILURES } from '../context/kafka-error';
import { numberOf } from '../context/numbers';
import { askPartitions } from '../context/partition-questions';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type DeleteRecordsRequest = RequestOf<typeof deleteRecords>;
type DeleteRecordsResponse = ResponseInput<typeof deleteRecords>;

const HIGH_WATERMARK = -1;

/** Moves the log start of partitions forward; -1 means to the high watermark. */
export const deleteRecordsHandler = handler({
  api: deleteRecords,
  failures: STORAGE_FAILURES,
  async handle(request, context) {
    const questions = request.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, offset }) => ({
        topic: name,
        partition: partitionIndex,
        currentLeaderEpoch: -1,
        detail: numberOf(offset),
        failed: refusal(name, numberOf(offset), context),
      })),
    );
    const answers = await askPartitions(questions, context, {
      fail: failed,
      ask: async (storage, asked) => {
        const partitions = asked.map(({ question, topicId }) => ({
          topicId,
          partition: question.partition,
          offset: question.detail,
        }));
        const command = { partitions, timeoutMs: request.timeoutMs, metadataIndex: context.image.index };
        const answer = await storage.partitions.deleteRecords(command, { deadlineMs: controllerDeadlineMs(request.timeoutMs) });
        return answer.partitions;
      },
    });
    return respond(request, answers);
  },
  failure(request, error) {
    return respond(
      request,
      request.topics.flatMap(({ partitions }) => partitions.map(() => failed(error.code))),
    );
  },
});

function refusal(topic: string, offset: number, context: RequestContext): ErrorCode | undefined {
  if (isInternalTopic(topic)) return ErrorCode.INVALID_TOPIC_EXCEPTION;
  if (!context.image.topicIdsByName.has(topic)) return undefined;
  if (!effectiveTopicConfig(context.image, topic).cleanupPolicy.includes('delete')) return ErrorCode.POLICY_VIOLATION;
  return offset < HIGH_WATERMARK ? ErrorCode.OFFSET_OUT_OF_RANGE : undefined;
}

function failed(errorCode: number): DeletedRecords {
  return { errorCode, lowWatermark: -1 };
}

function respond(request: DeleteRecordsRequest, answers: readonly DeletedRecords[]): DeleteRecordsResponse {
  let place = 0;
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => {
      const { errorCode, lowWatermark } = answers[place++] ?? failed(ErrorCode.KAFKA_STORAGE_ERROR);
      return { partitionIndex, lowWatermark: BigInt(lowWatermark), errorCode };
    }),
  }));
  return { throttleTimeMs: 0, topics };
}
