import { ErrorCode } from '../types/error-code';
import type { DeletedGroup, DescribedGroup, ListedGroup } from './group-messages';
import type { GroupState, Turn } from './group-state';
import { exists } from './group-state';
import { NO_BYTES } from './live-group';

const CLASSIC = 'classic';

/** Describes one group, as DescribeGroups v6 does: an unknown one is Dead and GROUP_ID_NOT_FOUND. */
export function describeGroup(state: GroupState, groupId: string): DescribedGroup {
  if (!exists(state, groupId)) {
    const errorMessage = `Group ${groupId} not found.`;
    const errorCode = ErrorCode.GROUP_ID_NOT_FOUND;
    return { errorCode, errorMessage, groupId, state: 'Dead', protocolType: '', protocol: '', members: [] };
  }
  const group = state.live.get(groupId);
  const isStable = group?.state === 'Stable';
  const members = [...(group?.members.values() ?? [])].map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    clientId: member.clientId,
    clientHost: member.clientHost,
    metadata: group !== undefined && isStable ? group.subscriptionOf(member) : NO_BYTES,
    assignment: member.assignment,
  }));
  return {
    errorCode: ErrorCode.NONE,
    groupId,
    state: group?.state ?? 'Empty',
    protocolType: protocolTypeOf(state, groupId),
    protocol: isStable ? (group.protocol ?? '') : '',
    members,
  };
}

/** Lists groups of these states and types, compared without regard to case; an empty filter takes all, an unknown one none. */
export function listGroups(state: GroupState, states: readonly string[], types: readonly string[]): ListedGroup[] {
  const wantedStates = new Set(states.map((name) => name.trim().toLowerCase()));
  if (types.length > 0 && !types.some((name) => name.trim().toLowerCase() === CLASSIC)) return [];
  const groupIds = new Set([...state.image.groups.keys(), ...state.live.keys()]);
  const listed: ListedGroup[] = [];
  for (const groupId of groupIds) {
    const groupState = state.live.get(groupId)?.state ?? 'Empty';
    if (wantedStates.size > 0 && !wantedStates.has(groupState.toLowerCase())) continue;
    listed.push({ groupId, protocolType: protocolTypeOf(state, groupId), state: groupState, type: CLASSIC });
  }
  return listed;
}

/** Deletes an empty group with all its offsets. */
export function deleteGroup(state: GroupState, turn: Turn, groupId: string): DeletedGroup {
  if (!exists(state, groupId)) return { groupId, errorCode: ErrorCode.GROUP_ID_NOT_FOUND };
  const group = state.live.get(groupId);
  if (group !== undefined && group.state !== 'Empty') return { groupId, errorCode: ErrorCode.NON_EMPTY_GROUP };
  for (const [topic, partitions] of state.image.groups.get(groupId)?.offsets ?? []) {
    for (const partition of partitions.keys()) turn.records.push({ kind: 'offset-removed', groupId, topic, partition });
  }
  turn.records.push({ kind: 'group-removed', groupId });
  group?.clear();
  state.live.delete(groupId);
  return { groupId, errorCode: ErrorCode.NONE };
}

function protocolTypeOf(state: GroupState, groupId: string): string {
  return state.live.get(groupId)?.protocolType ?? state.image.groups.get(groupId)?.stored?.protocolType ?? '';
}
