import { ErrorCode } from '@streamline/core/types/error-code';
import type { ListedOffset } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { listOffsets } from '@streamline/wire/kafka/apis/02-list-offsets';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { STORAGE_FAILURES } from '../context/kafka-error';
import { numberOf } from '../context/numbers';
import { askPartitions, type PartitionQuestion } from '../context/partition-questions';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type ListOffsetsRequest = RequestOf<typeof listOffsets>;
type ListOffsetsResponse = ResponseInput<typeof listOffsets>;

/** The version from which each special timestamp is understood; older clients cannot mean it. */
const SPECIAL_TIMESTAMPS: ReadonlyMap<number, number> = new Map([
  [-1, 1], // latest
  [-2, 1], // earliest
  [-3, 7], // max timestamp
  [-4, 8], // earliest local
  [-5, 9], // latest tiered
  [-6, 11], // earliest pending upload
]);

/** Before it OFFSET_NOT_AVAILABLE was not known; LEADER_NOT_AVAILABLE makes those clients retry as well. */
const FIRST_VERSION_WITH_OFFSET_NOT_AVAILABLE = 5;

const DEFAULT_TIMEOUT_MS = 30_000;
const READ_COMMITTED = 1;

/** Finds offsets by time, or the ends of partitions. */
export const listOffsetsHandler = handler({
  api: listOffsets,
  failures: STORAGE_FAILURES,
  async handle(request, context) {
    const twice = duplicates(request);
    const questions: PartitionQuestion<number>[] = request.topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, currentLeaderEpoch, timestamp }) => ({
        topic: name,
        partition: partitionIndex,
        currentLeaderEpoch,
        detail: numberOf(timestamp),
        failed: refusal(twice.has(`${partitionIndex}:${name}`), numberOf(timestamp), context.apiVersion),
      })),
    );
    const timeoutMs = request.timeoutMs > 0 ? request.timeoutMs : DEFAULT_TIMEOUT_MS;
    const answers = await askPartitions(questions, context, {
      fail: failedOffset,
      ask: async (storage, partitions) => {
        const asked = partitions.map(({ question, topicId }) => ({
          topicId,
          partition: question.partition,
          currentLeaderEpoch: question.currentLeaderEpoch,
          timestamp: question.detail,
        }));
        const readCommitted = request.isolationLevel === READ_COMMITTED;
        const ask = { partitions: asked, readCommitted, metadataIndex: context.image.index, timeoutMs };
        return (await storage.partitions.listOffsets(ask, { deadlineMs: timeoutMs })).partitions;
      },
    });
    return respond(request, answers, context);
  },
  failure(request, error, context) {
    const count = request.topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
    return respond(request, new Array<ListedOffset>(count).fill(failedOffset(error.code)), context);
  },
});

function refusal(duplicate: boolean, timestamp: number, version: number): ErrorCode | undefined {
  if (duplicate) return ErrorCode.INVALID_REQUEST;
  if (timestamp >= 0) return undefined;
  const since = SPECIAL_TIMESTAMPS.get(timestamp);
  return since === undefined || version < since ? ErrorCode.UNSUPPORTED_VERSION : undefined;
}

function duplicates(request: ListOffsetsRequest): ReadonlySet<string> {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const { name, partitions } of request.topics) {
    for (const { partitionIndex } of partitions) {
      const key = `${partitionIndex}:${name}`;
      (seen.has(key) ? twice : seen).add(key);
    }
  }
  return twice;
}

function failedOffset(errorCode: number): ListedOffset {
  return { errorCode, timestamp: -1, offset: -1, leaderEpoch: -1 };
}

function respond(request: ListOffsetsRequest, answers: readonly ListedOffset[], context: RequestContext): ListOffsetsResponse {
  let place = 0;
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => {
      const answer = answers[place++] ?? failedOffset(ErrorCode.KAFKA_STORAGE_ERROR);
      return {
        partitionIndex,
        errorCode: errorCodeFor(answer.errorCode, context.apiVersion),
        timestamp: BigInt(answer.timestamp),
        offset: BigInt(answer.offset),
        ...(context.apiVersion >= 4 ? { leaderEpoch: answer.leaderEpoch } : {}),
      };
    }),
  }));
  return { throttleTimeMs: 0, topics };
}

function errorCodeFor(errorCode: number, version: number): number {
  const unknown = errorCode === ErrorCode.OFFSET_NOT_AVAILABLE && version < FIRST_VERSION_WITH_OFFSET_NOT_AVAILABLE;
  return unknown ? ErrorCode.LEADER_NOT_AVAILABLE : errorCode;
}
