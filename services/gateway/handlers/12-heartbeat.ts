import { heartbeat } from '@streamline/wire/kafka/apis/12-heartbeat';
import { coordinatorOf } from '../context/group-coordinator';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

const DEADLINE_MS = 10_000;

/** Keeps a member's session alive and tells it of a rebalance. */
export const heartbeatHandler = handler({
  api: heartbeat,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const { groupId, generationId, memberId, groupInstanceId } = request;
    const answer = await coordinatorOf(groupId, context).heartbeat(
      { groupId, generationId, memberId, groupInstanceId: groupInstanceId ?? undefined },
      { deadlineMs: DEADLINE_MS },
    );
    return { throttleTimeMs: 0, errorCode: answer.errorCode };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code };
  },
});
