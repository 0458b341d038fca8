import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import { ErrorCode } from '@streamline/core/types/error-code';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { coordinatorPartition } from '../context/group-coordinator';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { askPartitions } from '../context/partition-questions';
import type { RequestContext } from '../context/request-context';
import { addressOf, isAlive, NO_NODE } from '../context/topics';
import { handler } from './handler';

type FindCoordinatorRequest = RequestOf<typeof findCoordinator>;
type FindCoordinatorResponse = ResponseInput<typeof findCoordinator>;

interface Coordinator {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

const FIRST_VERSION_WITH_BATCHES = 4;
/** Within this time the own storage says whether it leads: it looks that up in a table. */
const OWN_DEADLINE_MS = 5_000;

const KeyType = { group: 0, transaction: 1 } as const;

/**
 * Tells which broker coordinates a group. Has the offsets topic created where there is none yet; clients come back on
 * COORDINATOR_NOT_AVAILABLE. They get it as well where this broker would name itself and its storage does not lead (any more): one that
 * is cut off from the controller does not hear that another one coordinates by now (REPL-20), other brokers do.
 *
 * Coordinators of transactions are refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED until transactions are built: here,
 * where a transactional producer begins, librdkafka retries on any other code until its time is up.
 */
export const findCoordinatorHandler = handler({
  api: findCoordinator,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const refused = refusalOf(request.keyType);
    if (refused !== undefined) return respond(request, context, () => refused);
    const { image } = context;
    const keys = context.apiVersion < FIRST_VERSION_WITH_BATCHES ? [request.key] : request.coordinatorKeys;
    const served = await servedHere(keys, image, context);
    return respond(request, context, (key) => find(key, image, served, context));
  },
  failure(request, error, context) {
    return respond(request, context, () => failed(error.code, error.message));
  },
});

/** The partitions of these groups that this broker leads by the metadata, and that its storage serves. */
async function servedHere(
  keys: readonly string[],
  image: MetadataImage,
  context: RequestContext,
): Promise<ReadonlySet<PartitionImage>> {
  const { nodeId } = context.gateway;
  const named = keys.map((key) => coordinatorPartition(image, key)).filter((partition) => partition !== undefined);
  const led = [...new Set(named)].filter(({ leader }) => leader === nodeId);
  const questions = led.map(({ partition }) => ({ topic: OFFSETS_TOPIC, partition, currentLeaderEpoch: -1, detail: undefined }));
  const codes = await askPartitions(questions, context, {
    fail: (errorCode) => errorCode,
    ask: async (storage, routed) => {
      const partitions = routed.map(({ question: { partition, currentLeaderEpoch }, topicId }) => {
        return { topicId, partition, currentLeaderEpoch, leaderEpoch: 0 };
      });
      const query = { partitions, metadataIndex: image.index };
      const answer = await storage.partitions.getEpochEndOffsets(query, { deadlineMs: OWN_DEADLINE_MS });
      return answer.partitions.map(({ errorCode }) => errorCode);
    },
  });
  return new Set(led.filter((_, place) => codes[place] === ErrorCode.NONE));
}

function respond(
  request: FindCoordinatorRequest,
  context: RequestContext,
  answer: (key: string) => Coordinator,
): FindCoordinatorResponse {
  if (context.apiVersion < FIRST_VERSION_WITH_BATCHES) return { throttleTimeMs: 0, ...answer(request.key) };
  return { throttleTimeMs: 0, coordinators: request.coordinatorKeys.map((key) => ({ key, ...answer(key) })) };
}

function refusalOf(keyType: number): Coordinator | undefined {
  if (keyType === KeyType.group) return undefined;
  if (keyType !== KeyType.transaction)
    return failed(ErrorCode.INVALID_REQUEST, `coordinators of type ${keyType} are not known here`);
  return failed(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'transactions are not available on this broker yet');
}

function find(key: string, image: MetadataImage, served: ReadonlySet<PartitionImage>, context: RequestContext): Coordinator {
  if (!image.topicIdsByName.has(OFFSETS_TOPIC)) {
    context.gateway.topicCreator.createSoon(OFFSETS_TOPIC);
    return failed(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'the offsets topic is being created');
  }
  const partition = coordinatorPartition(image, key);
  const broker = partition?.leader === undefined ? undefined : image.brokers.get(partition.leader);
  const address = isAlive(broker) ? addressOf(broker) : undefined;
  const isGone = partition?.leader === context.gateway.nodeId && !served.has(partition);
  if (isGone || address === undefined) return failed(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'the coordinator is not available now');
  const { nodeId, host, port } = address;
  return { nodeId, host, port, errorCode: ErrorCode.NONE, errorMessage: null };
}

function failed(errorCode: number, errorMessage: string): Coordinator {
  return { nodeId: NO_NODE, host: '', port: NO_NODE, errorCode, errorMessage };
}
