import { ErrorCode } from '@streamline/core/types/error-code';
import type { DescribedGroup } from '@streamline/wire/contracts/generated/streamline/storage/v1/group';
import { describeGroups } from '@streamline/wire/kafka/apis/15-describe-groups';
import type { RequestOf, ResponseInput } from '@streamline/wire/kafka/schema/api';
import { GROUP_OPERATIONS, OPERATIONS_NOT_REQUESTED } from '../context/authorized-operations';
import { askCoordinators } from '../context/group-questions';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { bytesOf, nullIfEmpty } from '../context/numbers';
import type { RequestContext } from '../context/request-context';
import { handler } from './handler';

type DescribeGroupsRequest = RequestOf<typeof describeGroups>;
type GroupResponse = ResponseInput<typeof describeGroups>['groups'][number];

/** From here on an unknown group is an error (KIP-1043); before, it is a dead one. */
const FIRST_VERSION_WITH_GROUP_ID_NOT_FOUND = 6;
const FIRST_VERSION_WITH_OPERATIONS = 3;

const DEADLINE_MS = 10_000;
const DEAD = 'Dead';

/** Describes classic groups and their members. */
export const describeGroupsHandler = handler({
  api: describeGroups,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const groups = await askCoordinators([...new Set(request.groups)], context, {
      ask: async (port, groupIds) => (await port.describeGroups({ groupIds }, { deadlineMs: DEADLINE_MS })).groups,
      fail: failed,
    });
    return { throttleTimeMs: 0, groups: groups.map((group) => respond(group, request, context)) };
  },
  failure(request, error, context) {
    const groups = [...new Set(request.groups)].map((groupId) =>
      respond(failed(groupId, error.code, error.message), request, context),
    );
    return { throttleTimeMs: 0, groups };
  },
});

function failed(groupId: string, errorCode: number, errorMessage: string): DescribedGroup {
  return { errorCode, errorMessage, groupId, state: '', protocolType: '', protocol: '', members: [] };
}

function respond(group: DescribedGroup, request: DescribeGroupsRequest, context: RequestContext): GroupResponse {
  const told = context.apiVersion >= FIRST_VERSION_WITH_GROUP_ID_NOT_FOUND;
  const unknown = group.errorCode === ErrorCode.GROUP_ID_NOT_FOUND;
  const asked = context.apiVersion >= FIRST_VERSION_WITH_OPERATIONS && request.includeAuthorizedOperations;
  return {
    errorCode: unknown && !told ? ErrorCode.NONE : group.errorCode,
    ...(told ? { errorMessage: nullIfEmpty(group.errorMessage) } : {}),
    groupId: group.groupId,
    groupState: unknown ? DEAD : group.state,
    protocolType: group.protocolType,
    protocolData: group.protocol,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId ?? null,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: bytesOf(member.metadata),
      memberAssignment: bytesOf(member.assignment),
    })),
    authorizedOperations: asked ? GROUP_OPERATIONS : OPERATIONS_NOT_REQUESTED,
  };
}
