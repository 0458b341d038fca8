import { ErrorCode } from '@streamline/core/types/error-code';
import { listGroups } from '@streamline/wire/kafka/apis/16-list-groups';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import { handler } from './handler';

const DEADLINE_MS = 10_000;

/** Lists the groups that this broker coordinates; admin clients ask every broker. */
export const listGroupsHandler = handler({
  api: listGroups,
  failures: COORDINATOR_FAILURES,
  async handle(request, context) {
    const { storage, nodeId } = context.gateway;
    const filter = { states: [...request.statesFilter], types: [...request.typesFilter] };
    const answers = await Promise.all(
      storage.ofBroker(nodeId).map((port) => port.groups.listGroups(filter, { deadlineMs: DEADLINE_MS })),
    );
    const failed = answers.find(({ errorCode }) => errorCode !== ErrorCode.NONE);
    const groups = answers.flatMap((answer) =>
      answer.groups.map(({ groupId, protocolType, state, type }) => ({
        groupId,
        protocolType,
        groupState: state,
        groupType: type,
      })),
    );
    return { throttleTimeMs: 0, errorCode: failed?.errorCode ?? ErrorCode.NONE, groups };
  },
  failure(_request, error) {
    return { throttleTimeMs: 0, errorCode: error.code, groups: [] };
  },
});
