import { syncGroup } from '@streamline/wire/kafka/apis/14-sync-group';
import { coordinatorOf } from '../context/group-coordinator';
import { MEMBER_FAILURES } from '../context/kafka-error';
import { bytesOf } from '../context/numbers';
import { handler } from './handler';

/** Longer than any session may be: the coordinator ends the wait by dropping members that do not sync. */
const DEADLINE_MS = 35 * 60_000;

const NO_BYTES = Buffer.alloc(0);

/** Hands out the leader's assignment; followers wait for it. */
export const syncGroupHandler = handler({
  api: syncGroup,
  turn: 'parked',
  failures: MEMBER_FAILURES,
  async handle(request, context) {
    const answer = await coordinatorOf(request.groupId, context).syncGroup(
      {
        groupId: request.groupId,
        generationId: request.generationId,
        memberId: request.memberId,
        groupInstanceId: request.groupInstanceId ?? undefined,
        protocolType: request.protocolType ?? undefined,
        protocolName: request.protocolName ?? undefined,
        assignments: request.assignments.map(({ memberId, assignment }) => ({ memberId, assignment })),
      },
      { deadlineMs: DEADLINE_MS },
    );
    return {
      throttleTimeMs: 0,
      errorCode: answer.errorCode,
      protocolType: answer.protocolType ?? null,
      protocolName: answer.protocolName ?? null,
      assignment: bytesOf(answer.assignment),
    };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, assignment: NO_BYTES };
  },
});
