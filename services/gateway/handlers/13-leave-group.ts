import { ErrorCode } from '@streamline/core/types/error-code';
import { leaveGroup } from '@streamline/wire/kafka/apis/13-leave-group';
import { coordinatorOf } from '../context/group-coordinator';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

/** From here on several members leave at once and each has an error of its own (KIP-345). */
const FIRST_VERSION_WITH_MEMBERS = 3;

const DEADLINE_MS = 10_000;

/** Takes members out of a group. */
export const leaveGroupHandler = handler({
  api: leaveGroup,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const batched = context.apiVersion >= FIRST_VERSION_WITH_MEMBERS;
    const members = batched
      ? request.members.map(({ memberId, groupInstanceId, reason }) => ({
          memberId,
          groupInstanceId: groupInstanceId ?? undefined,
          reason: reason ?? undefined,
        }))
      : [{ memberId: request.memberId }];
    const answer = await coordinatorOf(request.groupId, context).leaveGroup(
      { groupId: request.groupId, members },
      { deadlineMs: DEADLINE_MS },
    );
    if (!batched) {
      const ofMember = answer.members[0]?.errorCode ?? ErrorCode.NONE;
      return { throttleTimeMs: 0, errorCode: answer.errorCode === ErrorCode.NONE ? ofMember : answer.errorCode };
    }
    return {
      throttleTimeMs: 0,
      errorCode: answer.errorCode,
      members: answer.members.map(({ memberId, groupInstanceId, errorCode }) => ({
        memberId,
        groupInstanceId: groupInstanceId ?? null,
        errorCode,
      })),
    };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code };
  },
});
