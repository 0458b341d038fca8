import { ErrorCode } from '@streamline/core/types/error-code';
import { ZERO_TOPIC_ID as NO_UUID } from '@streamline/core/types/ids';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { removeRaftVoter } from '@streamline/wire/kafka/apis/81-remove-raft-voter';
import { controllerDeadlineMs } from '../context/controller-calls';
import { CONTROLLER_FAILURES, KafkaError } from '../context/kafka-error';
import { checkVoterRequest, voterOutcome } from '../context/membership-at-leader';
import { handler } from './handler';

/** As long as clients wait for an answer by default; the request does not say. */
const TIMEOUT_MS = 30_000;

/**
 * Takes the vote from a voter. As in Kafka it goes on following the metadata, and its broker serves on. A leader hands
 * leadership over before.
 */
export const removeRaftVoterHandler = handler({
  api: removeRaftVoter,
  failures: CONTROLLER_FAILURES,
  async handle({ clusterId, voterId: nodeId, voterDirectoryId }, context) {
    checkVoterRequest(context.image.clusterId, clusterId, nodeId);
    const { controller, membership } = context.gateway;
    const within = { deadlineMs: controllerDeadlineMs(TIMEOUT_MS) };
    const directoryId = voterDirectoryId === NO_UUID ? '' : voterDirectoryId;
    const { members } = await controller.getQuorumStatus({ ofLeader: true }, within);
    const voters = members.filter(({ isVoter }) => isVoter);
    const known = voters.find((voter) => voter.nodeId === nodeId && (directoryId === '' || voter.directoryId === directoryId));
    if (known === undefined) {
      const names = voters.map((voter) => `${voter.nodeId} (${voter.directoryId})`).join(', ');
      const message = `Cannot remove voter ${nodeId} (${voterDirectoryId}) from the set of voters ${names}`;
      throw new KafkaError(ErrorCode.VOTER_NOT_FOUND, message);
    }
    if (voters.length === 1) {
      throw new KafkaError(
        ErrorCode.INVALID_REQUEST,
        `Cannot remove voter ${nodeId}: it is the only one, and a cluster needs one`,
      );
    }
    const command = { nodeId, force: false, directoryId, keepAsLearner: true };
    let answer = await membership.removeMember(command, within);
    if (answer.outcome === MembershipOutcome.IS_LEADER) {
      const transfer = await membership.transferLeadership({ nodeId: 0 }, within);
      if (transfer.outcome !== MembershipOutcome.DONE) return voterOutcome(transfer);
      answer = await membership.removeMember(command, within);
    }
    return voterOutcome(answer);
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, errorMessage: error.message };
  },
});
