import { ErrorCode } from '@streamline/core/types/error-code';
import { formatAddress } from '@streamline/platform/config/address';
import { addRaftVoter } from '@streamline/wire/kafka/apis/80-add-raft-voter';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import type { RequestOf } from '@streamline/wire/kafka/schema/api';
import { controllerDeadlineMs } from '../context/controller-calls';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import { checkVoterRequest, CONTROLLER_LISTENER, voterOutcome } from '../context/membership-at-leader';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type AddRaftVoterRequest = RequestOf<typeof addRaftVoter>;

/** Makes a node a voter of the metadata log: one that waits to be added, or a learner. */
export const addRaftVoterHandler = handler({
  api: addRaftVoter,
  failures: CONTROLLER_FAILURES,
  async handle(request, context) {
    const { voterId: nodeId, voterDirectoryId: directoryId, timeoutMs } = request;
    checkVoterRequest(context.image.clusterId, request.clusterId, nodeId);
    const address = addressOf(request);
    const deadlineMs = controllerDeadlineMs(timeoutMs);
    if (await isVoter(context, nodeId, deadlineMs)) {
      throw new KafkaError(ErrorCode.DUPLICATE_VOTER, `The voter id for ${nodeId} is already part of the set of voters.`);
    }
    const command = { nodeId, address, promoteToVoter: true, directoryId };
    const answer = await context.gateway.membership.addMember(command, { deadlineMs });
    // v1: with the change on its way whoever does not want to wait has what he asked for.
    const mayGoOn = !request.ackWhenCommitted && answer.outcome === MembershipOutcome.UNDER_WAY;
    return voterOutcome(mayGoOn ? { ...answer, outcome: MembershipOutcome.DONE } : answer);
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message };
  },
});

/** The listener called CONTROLLER or, of one, that one. */
function addressOf({ listeners }: AddRaftVoterRequest): string {
  const [only] = listeners;
  const listener = listeners.find(({ name }) => name === CONTROLLER_LISTENER) ?? (listeners.length === 1 ? only : undefined);
  if (listener === undefined || listener.host === '' || listener.port === 0) {
    const names = listeners.map(({ name }) => name).join(', ');
    throw new KafkaError(
      ErrorCode.INVALID_REQUEST,
      `Add voter request didn't include the endpoint (${names}) for the default listener ${CONTROLLER_LISTENER}`,
    );
  }
  return formatAddress({ host: listener.host, port: listener.port });
}

async function isVoter({ gateway }: RequestContext, nodeId: number, deadlineMs: number): Promise<boolean> {
  const { voters } = await gateway.controller.getQuorumStatus({ ofLeader: true }, { deadlineMs });
  return voters.includes(nodeId);
}
