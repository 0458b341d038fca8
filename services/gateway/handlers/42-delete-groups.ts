import { deleteGroups } from '@streamline/wire/kafka/apis/42-delete-groups';
import { askCoordinators } from '../context/group-questions';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

const DEADLINE_MS = 10_000;

/** Deletes groups that have no members. */
export const deleteGroupsHandler = handler({
  api: deleteGroups,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const results = await askCoordinators(request.groupsNames, context, {
      ask: async (port, groupIds) => {
        const { groups } = await port.deleteGroups({ groupIds }, { deadlineMs: DEADLINE_MS });
        return groups.map(({ groupId, errorCode }) => ({ groupId, errorCode }));
      },
      fail: (groupId, errorCode, errorMessage) => ({ groupId, errorCode, errorMessage }),
    });
    return { throttleTimeMs: 0, results };
  },
  failure(request, error) {
    const results = request.groupsNames.map((groupId) => ({ groupId, errorCode: error.code, errorMessage: error.message }));
    return { throttleTimeMs: 0, results };
  },
});
