import { ErrorCode } from '@streamline/core/types/error-code';
import type { EpochAnswer } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { offsetForLeaderEpoch } from '@streamline/wire/kafka/apis/23-offset-for-leader-epoch';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { STORAGE_FAILURES } from '../context/kafka-error';
import { askPartitions } from '../context/partition-questions';
import { handler } from './handler';

type EpochRequest = RequestOf<typeof offsetForLeaderEpoch>;
type EpochResponse = ResponseInput<typeof offsetForLeaderEpoch>;

const DEADLINE_MS = 10_000;

/** Tells where the largest epoch at or below the asked one ends, so that clients see a truncation (KIP-101, KIP-320). */
export const offsetForLeaderEpochHandler = handler({
  api: offsetForLeaderEpoch,
  failures: STORAGE_FAILURES,
  async handle(request, context) {
    const questions = request.topics.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => ({
        topic,
        partition,
        currentLeaderEpoch,
        detail: leaderEpoch,
      })),
    );
    const answers = await askPartitions(questions, context, {
      fail: failed,
      ask: async (storage, asked) => {
        const partitions = asked.map(({ question, topicId }) => ({
          topicId,
          partition: question.partition,
          currentLeaderEpoch: question.currentLeaderEpoch,
          leaderEpoch: question.detail,
        }));
        const query = { partitions, metadataIndex: context.image.index };
        return (await storage.partitions.getEpochEndOffsets(query, { deadlineMs: DEADLINE_MS })).partitions;
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

function failed(errorCode: number): EpochAnswer {
  return { errorCode, leaderEpoch: -1, endOffset: -1 };
}

function respond(request: EpochRequest, answers: readonly EpochAnswer[]): EpochResponse {
  let place = 0;
  const topics = request.topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition }) => {
      const { errorCode, leaderEpoch, endOffset } = answers[place++] ?? failed(ErrorCode.KAFKA_STORAGE_ERROR);
      return { partition, errorCode, leaderEpoch, endOffset: BigInt(endOffset) };
    }),
  }));
  return { throttleTimeMs: 0, topics };
}
