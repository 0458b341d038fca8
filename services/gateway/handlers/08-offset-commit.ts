import { ErrorCode } from '@streamline/core/types/error-code';
import type { TopicImage } from '@streamline/core/metadata/image';
import type { CommitOffset } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { coordinatorOf } from '../context/group-coordinator';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { numberOf } from '../context/numbers';
import type { RequestContext } from '../context/request-context';
import { topicById, topicByName } from '../context/topics';
import { handler } from './handler';

type OffsetCommitRequest = RequestOf<typeof offsetCommit>;
type OffsetCommitResponse = ResponseInput<typeof offsetCommit>;
type CommittedTopic = OffsetCommitRequest['topics'][number];

const FIRST_VERSION_WITH_IDS = 10;

/** Beyond the coordinator's own timeout it has so long to answer. */
const ANSWER_SLACK_MS = 2000;

/**
 * Commits offsets of a group. Partitions that do not exist fail by themselves, the others commit. Pipelined: the coordinator
 * decides when it is called, so that the commits of a connection share batches of its log instead of waiting for each other's.
 */
export const offsetCommitHandler = handler({
  api: offsetCommit,
  turn: 'pipelined',
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const errorCodes: number[] = [];
    const offsets: CommitOffset[] = [];
    const places: number[] = [];
    for (const requested of request.topics) {
      const topic = find(requested, context);
      for (const partition of requested.partitions) {
        const known = topic?.partitions[partition.partitionIndex] !== undefined;
        if (topic !== undefined && known) {
          places.push(errorCodes.length);
          offsets.push(commitOf(topic, partition));
        }
        errorCodes.push(known ? ErrorCode.NONE : unknownCode(topic, context));
      }
    }
    if (offsets.length > 0) {
      const answer = await commit(request, offsets, context);
      for (const [i, place] of places.entries()) errorCodes[place] = answer[i] ?? ErrorCode.COORDINATOR_NOT_AVAILABLE;
    }
    return respond(request, errorCodes);
  },
  failure(request, error) {
    const count = request.topics.reduce((sum, { partitions }) => sum + partitions.length, 0);
    return respond(request, new Array<number>(count).fill(error.code));
  },
});

function find(requested: CommittedTopic, context: RequestContext): TopicImage | undefined {
  const byId = context.apiVersion >= FIRST_VERSION_WITH_IDS;
  return byId ? topicById(context.image, requested.topicId) : topicByName(context.image, requested.name);
}

function unknownCode(topic: TopicImage | undefined, context: RequestContext): number {
  const unknownId = topic === undefined && context.apiVersion >= FIRST_VERSION_WITH_IDS;
  return unknownId ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
}

function commitOf(topic: TopicImage, partition: CommittedTopic['partitions'][number]): CommitOffset {
  return {
    topic: topic.name,
    topicId: topic.id,
    partition: partition.partitionIndex,
    offset: numberOf(partition.committedOffset),
    leaderEpoch: partition.committedLeaderEpoch,
    metadata: partition.committedMetadata ?? undefined,
  };
}

async function commit(
  request: OffsetCommitRequest,
  offsets: CommitOffset[],
  context: RequestContext,
): Promise<readonly number[]> {
  const timeoutMs = context.gateway.config.offsetsCommitTimeoutMs;
  const command = {
    groupId: request.groupId,
    generationId: request.generationIdOrMemberEpoch,
    memberId: request.memberId,
    groupInstanceId: request.groupInstanceId ?? undefined,
    retentionTimeMs: numberOf(request.retentionTimeMs),
    offsets,
    apiVersion: context.apiVersion,
    timeoutMs,
  };
  const deadlineMs = timeoutMs + ANSWER_SLACK_MS;
  const answer = await coordinatorOf(request.groupId, context).commitOffsets(command, { deadlineMs });
  return answer.errorCodes;
}

function respond(request: OffsetCommitRequest, errorCodes: readonly number[]): OffsetCommitResponse {
  let place = 0;
  const topics = request.topics.map(({ name, topicId, partitions }) => ({
    name,
    topicId,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: errorCodes[place++] ?? ErrorCode.NONE })),
  }));
  return { throttleTimeMs: 0, topics };
}
