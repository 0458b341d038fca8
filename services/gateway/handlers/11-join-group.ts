import { joinGroup } from '@streamline/wire/kafka/apis/11-join-group';
import { coordinatorOf } from '../context/group-coordinator';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { bytesOf } from '../context/numbers';
import { handler } from './handler';

/** From here on a new dynamic member first gets its id (KIP-394). */
const FIRST_VERSION_WITH_MEMBER_ID_REQUIRED = 4;
/** From here on a name of no protocol is null. */
const FIRST_VERSION_WITH_NULL_PROTOCOL = 7;
const FIRST_VERSION_WITH_SKIP_ASSIGNMENT = 9;

/** A new member is waited for so long whatever it says; then there are the initial delay and the way back. */
const NEW_MEMBER_TIMEOUT_MS = 300_000;
const ANSWER_SLACK_MS = 15_000;
const INT32_MAX = 0x7fffffff;

const NO_GENERATION = -1;

/** Joins a group; waits until the rebalance that it causes has all members. */
export const joinGroupHandler = handler({
  api: joinGroup,
  turn: 'parked',
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const { apiVersion } = context;
    const rebalanceTimeoutMs = apiVersion === 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs;
    const deadlineMs = Math.min(INT32_MAX, Math.max(rebalanceTimeoutMs, NEW_MEMBER_TIMEOUT_MS) + ANSWER_SLACK_MS);
    const answer = await coordinatorOf(request.groupId, context).joinGroup(
      {
        groupId: request.groupId,
        memberId: request.memberId,
        groupInstanceId: request.groupInstanceId ?? undefined,
        protocolType: request.protocolType,
        protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata })),
        sessionTimeoutMs: request.sessionTimeoutMs,
        rebalanceTimeoutMs,
        clientId: context.clientId ?? '',
        clientHost: `/${context.connection.remoteAddress}`,
        reason: request.reason ?? undefined,
        requireKnownMemberId: apiVersion >= FIRST_VERSION_WITH_MEMBER_ID_REQUIRED,
        supportsSkipAssignment: apiVersion >= FIRST_VERSION_WITH_SKIP_ASSIGNMENT,
      },
      { deadlineMs },
    );
    return {
      throttleTimeMs: 0,
      errorCode: answer.errorCode,
      generationId: answer.generationId,
      protocolType: answer.protocolType ?? null,
      protocolName: answer.protocolName ?? noProtocol(apiVersion),
      leader: answer.leader,
      skipAssignment: apiVersion >= FIRST_VERSION_WITH_SKIP_ASSIGNMENT && answer.skipAssignment,
      memberId: answer.memberId,
      members: answer.members.map(({ memberId, groupInstanceId, metadata }) => ({
        memberId,
        groupInstanceId: groupInstanceId ?? null,
        metadata: bytesOf(metadata),
      })),
    };
  },
  failure(request, error, context) {
    return {
      throttleTimeMs: 0,
      errorCode: error.code,
      generationId: NO_GENERATION,
      protocolName: noProtocol(context.apiVersion),
      leader: '',
      memberId: request.memberId,
      members: [],
    };
  },
});

function noProtocol(version: number): string | null {
  return version >= FIRST_VERSION_WITH_NULL_PROTOCOL ? null : '';
}
