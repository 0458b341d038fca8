import { ErrorCode } from '@streamline/core/types/error-code';
import { parseAddress } from '@streamline/platform/config/address';
import type {
  GetQuorumStatusResponse,
  MemberProgress,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import { describeQuorum } from '@streamline/wire/kafka/apis/55-describe-quorum';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { controllerDeadlineMs } from '../context/controller-calls';
import { CONTROLLER_FAILURES } from '../context/kafka-error';
import { CONTROLLER_LISTENER } from '../context/membership-at-leader';
import { NO_NODE } from '../context/topics';
import { handler } from './handler';

type DescribeQuorumRequest = RequestOf<typeof describeQuorum>;
type TopicResponse = ResponseInput<typeof describeQuorum>['topics'][number];

/** What Kafka calls the metadata log. */
const METADATA_TOPIC = '__cluster_metadata';
/** As long as clients wait for an answer by default; the request does not say. */
const TIMEOUT_MS = 30_000;
/** And with directory ids (KIP-853). */
const FIRST_VERSION_WITH_NODES = 2;
/** Kafka's "not known", of offsets and times. */
const UNKNOWN = -1;

/** Describes who takes part in the consensus and how far each is, as the leader sees it. Kafka's offsets are our log indexes. */
export const describeQuorumHandler = handler({
  api: describeQuorum,
  failures: CONTROLLER_FAILURES,
  async handle(request, context) {
    const answer = { errorCode: ErrorCode.NONE, errorMessage: null, nodes: [] };
    if (!asksForMetadata(request)) {
      return { ...answer, topics: failedTopics(request, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) };
    }
    const deadlineMs = controllerDeadlineMs(TIMEOUT_MS);
    const quorum = await context.gateway.controller.getQuorumStatus({ ofLeader: true }, { deadlineMs });
    if (quorum.leaderId === undefined || quorum.leaderId !== quorum.nodeId) {
      return { ...answer, topics: failedTopics(request, ErrorCode.NOT_LEADER_OR_FOLLOWER) };
    }
    const { apiVersion, gateway } = context;
    const nodes = apiVersion >= FIRST_VERSION_WITH_NODES ? quorum.members.flatMap(nodeOf) : [];
    return { ...answer, topics: [described(quorum, gateway.clock.wallMs(), apiVersion)], nodes };
  },
  failure(request, error) {
    return { errorCode: error.code, errorMessage: error.message, topics: failedTopics(request, error.code), nodes: [] };
  },
});

function asksForMetadata({ topics }: DescribeQuorumRequest): boolean {
  const [topic] = topics;
  const [partition] = topic?.partitions ?? [];
  return (
    topics.length === 1 && topic?.topicName === METADATA_TOPIC && topic.partitions.length === 1 && partition?.partitionIndex === 0
  );
}

function failedTopics({ topics }: DescribeQuorumRequest, errorCode: number): TopicResponse[] {
  return topics.map(({ topicName, partitions }) => ({
    topicName,
    partitions: partitions.map(({ partitionIndex }) => ({
      partitionIndex,
      errorCode,
      errorMessage: null,
      leaderId: NO_NODE,
      leaderEpoch: UNKNOWN,
      highWatermark: BigInt(UNKNOWN),
      currentVoters: [],
      observers: [],
    })),
  }));
}

function described(quorum: GetQuorumStatusResponse, nowMs: number, version: number): TopicResponse {
  const { members, leaderId = NO_NODE, currentTerm, committedLogIndex } = quorum;
  const leaderEnd = members.find(({ nodeId }) => nodeId === leaderId)?.logEndIndex ?? UNKNOWN;
  const states = (wanted: readonly MemberProgress[]) =>
    wanted.map((member) => ({
      ...replicaState(member, leaderEnd, nowMs),
      ...(version >= FIRST_VERSION_WITH_NODES ? { replicaDirectoryId: member.directoryId } : {}),
    }));
  const partition = {
    partitionIndex: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    leaderId,
    leaderEpoch: currentTerm,
    highWatermark: BigInt(committedLogIndex + 1),
    currentVoters: states(members.filter(({ isVoter }) => isVoter)),
    observers: states(members.filter(({ isVoter }) => !isVoter)),
  };
  return { topicName: METADATA_TOPIC, partitions: [partition] };
}

/** One that is behind was caught up at a time that nobody keeps. */
function replicaState({ nodeId, logEndIndex, silentMs }: MemberProgress, leaderEnd: number, nowMs: number) {
  const heardMs = silentMs < 0 ? BigInt(UNKNOWN) : BigInt(Math.floor(nowMs - silentMs));
  return {
    replicaId: nodeId,
    logEndOffset: BigInt(logEndIndex < 0 ? UNKNOWN : logEndIndex + 1),
    lastFetchTimestamp: heardMs,
    lastCaughtUpTimestamp: logEndIndex >= leaderEnd ? heardMs : BigInt(UNKNOWN),
  };
}

function nodeOf({ nodeId, address }: MemberProgress) {
  const parsed = parseAddress(address, 1);
  if (!parsed.ok) return [];
  const { host, port } = parsed.address;
  return [{ nodeId, listeners: [{ name: CONTROLLER_LISTENER, host, port }] }];
}
