import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { FetchedOffset, OffsetTopic } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { coordinatorOf } from '../context/group-coordinator';
import { OFFSET_FETCH_FAILURES, kafkaErrorOf } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { topicById, topicByName } from '../context/topics';
import { handler } from './handler';

type OffsetFetchRequest = RequestOf<typeof offsetFetch>;
type OffsetFetchResponse = ResponseInput<typeof offsetFetch>;
type RequestedGroup = OffsetFetchRequest['groups'][number];

const FIRST_VERSION_WITH_TOP_LEVEL_ERROR = 2;
const FIRST_VERSION_WITH_GROUPS = 8;
const FIRST_VERSION_WITH_IDS = 10;

const DEADLINE_MS = 10_000;

interface PartitionAnswer {
  readonly partitionIndex: number;
  readonly committedOffset: bigint;
  readonly committedLeaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

interface TopicAnswer {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: PartitionAnswer[];
}

interface GroupAnswer {
  readonly groupId: string;
  readonly topics: readonly TopicAnswer[];
  readonly errorCode: number;
}

/**
 * Tells the committed offsets of a group, from v8 on of several. Pipelined: the coordinator looks when it is called, so that
 * the commits before it are seen, and answers when they are safe.
 */
export const offsetFetchHandler = handler({
  api: offsetFetch,
  turn: 'pipelined',
  failures: OFFSET_FETCH_FAILURES,
  async handle(request, context) {
    const groups = requestedGroups(request, context);
    const answers = await Promise.all(groups.map((group) => answerGroup(group, request.requireStable, context)));
    return respond(answers, context);
  },
  failure(request, error, context) {
    return respond(
      requestedGroups(request, context).map((group) => failedGroup(group, error.code, context)),
      context,
    );
  },
});

/** The one group of older versions in the shape of the newer ones. */
function requestedGroups(request: OffsetFetchRequest, context: RequestContext): readonly RequestedGroup[] {
  if (context.apiVersion >= FIRST_VERSION_WITH_GROUPS) return withoutRepeats(request.groups);
  const topics = request.topics?.map((topic) => ({ ...topic, topicId: ZERO_TOPIC_ID })) ?? null;
  return [{ groupId: request.groupId, memberId: null, memberEpoch: -1, topics }];
}

/** All offsets of a group are told once, however often a request asks for them. */
function withoutRepeats(groups: readonly RequestedGroup[]): readonly RequestedGroup[] {
  const told = new Set<string>();
  return groups.filter(({ groupId, topics }) => topics !== null || told.size < told.add(groupId).size);
}

async function answerGroup(group: RequestedGroup, requireStable: boolean, context: RequestContext): Promise<GroupAnswer> {
  try {
    const topics = group.topics?.map((topic) => resolve(topic, context));
    const known = topics?.filter((topic) => topic.topic !== '') ?? [];
    const question = {
      groupId: group.groupId,
      topics: known,
      allTopics: topics === undefined,
      requireStable,
      memberId: group.memberId ?? '',
      memberEpoch: group.memberEpoch,
    };
    const answer = await coordinatorOf(group.groupId, context).fetchOffsets(question, { deadlineMs: DEADLINE_MS });
    if (answer.errorCode !== ErrorCode.NONE) return failedGroup(group, answer.errorCode, context);
    const found = collect(answer.offsets, context);
    const unknown = (topics ?? []).filter((topic) => topic.topic === '').map(unknownTopic);
    return { groupId: group.groupId, topics: [...found, ...unknown], errorCode: ErrorCode.NONE };
  } catch (thrown) {
    const error = kafkaErrorOf(thrown, OFFSET_FETCH_FAILURES);
    if (error.cause !== undefined) {
      context.gateway.log.write('error', 'offset-fetch-failed', { error: String(error.cause) }, 'a coordinator failed to answer');
    }
    return failedGroup(group, error.code, context);
  }
}

/** A topic id that does not exist (any more) has no name. */
function resolve(topic: NonNullable<RequestedGroup['topics']>[number], context: RequestContext): OffsetTopic {
  const partitions = [...topic.partitionIndexes];
  if (context.apiVersion >= FIRST_VERSION_WITH_IDS) {
    const name = topicById(context.image, topic.topicId)?.name ?? '';
    return { topic: name, topicId: topic.topicId, partitions };
  }
  return { topic: topic.name, topicId: topicByName(context.image, topic.name)?.id ?? '', partitions };
}

/** Groups offsets by topic. In versions with ids a topic that is gone cannot be named, and is left out. */
function collect(offsets: readonly FetchedOffset[], context: RequestContext): TopicAnswer[] {
  const withIds = context.apiVersion >= FIRST_VERSION_WITH_IDS;
  const topics = new Map<string, TopicAnswer>();
  for (const offset of offsets) {
    let topic = topics.get(offset.topic);
    if (topic === undefined) {
      const topicId = offset.topicId === '' ? (topicByName(context.image, offset.topic)?.id ?? '') : offset.topicId;
      if (withIds && topicId === '') continue;
      topic = { name: offset.topic, topicId: topicId === '' ? ZERO_TOPIC_ID : topicId, partitions: [] };
      topics.set(offset.topic, topic);
    }
    topic.partitions.push({
      partitionIndex: offset.partition,
      committedOffset: BigInt(offset.offset),
      committedLeaderEpoch: offset.leaderEpoch,
      metadata: offset.metadata,
      errorCode: offset.errorCode,
    });
  }
  return [...topics.values()];
}

function unknownTopic({ topicId, partitions }: OffsetTopic): TopicAnswer {
  return { name: '', topicId, partitions: partitions.map((partition) => noOffset(partition, ErrorCode.UNKNOWN_TOPIC_ID)) };
}

function noOffset(partitionIndex: number, errorCode: number): PartitionAnswer {
  return { partitionIndex, committedOffset: -1n, committedLeaderEpoch: -1, metadata: '', errorCode };
}

/** v1 has no place for an error of the group but its partitions. */
function failedGroup(group: RequestedGroup, errorCode: number, context: RequestContext): GroupAnswer {
  const { groupId } = group;
  if (context.apiVersion >= FIRST_VERSION_WITH_TOP_LEVEL_ERROR) return { groupId, topics: [], errorCode };
  const topics = (group.topics ?? []).map(({ name, topicId, partitionIndexes }) => ({
    name,
    topicId,
    partitions: partitionIndexes.map((partition) => noOffset(partition, errorCode)),
  }));
  return { groupId, topics, errorCode };
}

function respond(answers: readonly GroupAnswer[], context: RequestContext): OffsetFetchResponse {
  if (context.apiVersion >= FIRST_VERSION_WITH_GROUPS) return { throttleTimeMs: 0, groups: answers };
  const [only] = answers;
  return { throttleTimeMs: 0, topics: only?.topics ?? [], errorCode: only?.errorCode ?? ErrorCode.NONE };
}
