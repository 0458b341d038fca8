import { ErrorCode } from '@streamline/core/types/error-code';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { coordinatorPartition } from '../context/group-coordinator';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import type { RequestContext } from '../context/request-context';
import { addressOf, isAlive, NO_NODE } from '../context/topics';
import { OFFSETS_TOPIC } from '../context/topic-creator';
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

const KeyType = { group: 0, transaction: 1 } as const;

/**
 * Tells which broker coordinates a group. Has the offsets topic created where there is none yet; clients come back on
 * COORDINATOR_NOT_AVAILABLE.
 *
 * Coordinators of transactions are refused with TRANSACTIONAL_ID_AUTHORIZATION_FAILED until transactions are built: here,
 * where a transactional producer begins, librdkafka retries on any other code until its time is up.
 */
export const findCoordinatorHandler = handler({
  api: findCoordinator,
  failures: COORDINATOR_FAILURES,
  handle(request, context) {
    return respond(request, context, (key) => find(key, request.keyType, context));
  },
  failure(request, error, context) {
    return respond(request, context, () => failed(error.code, error.message));
  },
});

function respond(
  request: FindCoordinatorRequest,
  context: RequestContext,
  answer: (key: string) => Coordinator,
): FindCoordinatorResponse {
  if (context.apiVersion < FIRST_VERSION_WITH_BATCHES) return { throttleTimeMs: 0, ...answer(request.key) };
  return { throttleTimeMs: 0, coordinators: request.coordinatorKeys.map((key) => ({ key, ...answer(key) })) };
}

function find(key: string, keyType: number, context: RequestContext): Coordinator {
  if (keyType === KeyType.transaction) {
    return failed(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'transactions are not available on this broker yet');
  }
  if (keyType !== KeyType.group) return failed(ErrorCode.INVALID_REQUEST, `coordinators of type ${keyType} are not known here`);
  const { image } = context;
  if (!image.topicIdsByName.has(OFFSETS_TOPIC)) {
    context.gateway.topicCreator.createSoon(OFFSETS_TOPIC);
    return failed(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'the offsets topic is being created');
  }
  const leader = coordinatorPartition(image, key)?.leader;
  const broker = leader === undefined ? undefined : image.brokers.get(leader);
  const address = isAlive(broker) ? addressOf(broker) : undefined;
  if (address === undefined) return failed(ErrorCode.COORDINATOR_NOT_AVAILABLE, 'the coordinator is not available now');
  const { nodeId, host, port } = address;
  return { nodeId, host, port, errorCode: ErrorCode.NONE, errorMessage: null };
}

function failed(errorCode: number, errorMessage: string): Coordinator {
  return { nodeId: NO_NODE, host: '', port: NO_NODE, errorCode, errorMessage };
}
