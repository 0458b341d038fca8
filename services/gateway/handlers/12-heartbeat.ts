import { heartbeat } from '@streamline/wire/kafka/apis/12-heartbeat';
import { coordinatorOf } from '../context/group-coordinator';
import { MEMBER_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

const DEADLINE_MS = 10_000;

/** Keeps a member's session alive and tells it of a rebalance. Pipelined: the coordinator answers at once. */
export const heartbeatHandler = handler({
  api: heartbeat,
  turn: 'pipelined',
  failures: MEMBER_FAILURES,
  async handle(request, context) {
    const { groupId, generationId, memberId, groupInstanceId } = request;
    const question = { groupId, generationId, memberId, groupInstanceId: groupInstanceId ?? undefined };
    const answer = await coordinatorOf(groupId, context).heartbeat(question, { deadlineMs: DEADLINE_MS });
    return { throttleTimeMs: 0, errorCode: answer.errorCode };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code };
  },
});
