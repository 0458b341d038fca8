import { ErrorCode } from '@streamline/core/types/error-code';
import type { PartitionProducers } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { describeProducers } from '@streamline/wire/kafka/apis/61-describe-producers';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { STORAGE_FAILURES } from '../context/kafka-error';
import { nullIfEmpty } from '../context/numbers';
import { askPartitions } from '../context/partition-questions';
import { handler } from './handler';

type DescribeProducersRequest = RequestOf<typeof describeProducers>;
type DescribeProducersResponse = ResponseInput<typeof describeProducers>;

const DEADLINE_MS = 10_000;

/** Tells the idempotent producers that partitions remember (KIP-664). */
export const describeProducersHandler = handler({
  api: describeProducers,
  failures: STORAGE_FAILURES,
  async handle(request, context) {
    const asked = new Set<string>();
    const questions = request.topics.flatMap(({ name, partitionIndexes }) =>
      partitionIndexes.map((partition) => {
        const key = `${partition}:${name}`;
        const failed = asked.has(key) ? ErrorCode.INVALID_REQUEST : undefined;
        asked.add(key);
        return { topic: name, partition, currentLeaderEpoch: -1, detail: undefined, failed };
      }),
    );
    const answers = await askPartitions(questions, context, {
      fail: failed,
      ask: async (storage, asked) => {
        const partitions = asked.map(({ question, topicId }) => ({ topicId, partition: question.partition }));
        const query = { partitions, metadataIndex: context.image.index };
        return (await storage.partitions.describeProducers(query, { deadlineMs: DEADLINE_MS })).partitions;
      },
    });
    return respond(request, answers);
  },
  failure(request, error) {
    return respond(
      request,
      request.topics.flatMap(({ partitionIndexes }) => partitionIndexes.map(() => failed(error.code, error.message))),
    );
  },
});

function failed(errorCode: number, errorMessage: string): PartitionProducers {
  return { errorCode, errorMessage, producers: [] };
}

function respond(request: DescribeProducersRequest, answers: readonly PartitionProducers[]): DescribeProducersResponse {
  let place = 0;
  const topics = request.topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => {
      const { errorCode, errorMessage, producers } = answers[place++] ?? failed(ErrorCode.KAFKA_STORAGE_ERROR, '');
      const activeProducers = producers.map((producer) => ({
        producerId: BigInt(producer.producerId),
        producerEpoch: producer.producerEpoch,
        lastSequence: producer.lastSequence,
        lastTimestamp: BigInt(producer.lastTimestamp),
        coordinatorEpoch: producer.coordinatorEpoch,
        currentTxnStartOffset: BigInt(producer.currentTxnStartOffset),
      }));
      return { partitionIndex, errorCode, errorMessage: nullIfEmpty(errorMessage), activeProducers };
    }),
  }));
  return { throttleTimeMs: 0, topics };
}
