import { ErrorCode } from '../types/error-code';
import type { HeartbeatCommand, LeaveAnswer, LeaveCommand, SyncCommand } from './group-messages';
import type { Continuation, GroupState, Turn } from './group-state';
import type { LiveGroup, LiveMember, Waiter } from './live-group';
import { joinError, syncError } from './group-state';
import { NO_BYTES } from './live-group';
import {
  answerJoin,
  answerSync,
  completeJoin,
  completeJoinIfAllJoined,
  expectHeartbeat,
  failSyncs,
  forgetMember,
  startRebalance,
  syncKey,
} from './rebalance';

/** The member, or why it is none: fenced by another that holds its instance id, or unknown. */
export function validateMember(group: LiveGroup, memberId: string, groupInstanceId: string | undefined): LiveMember | number {
  if (groupInstanceId !== undefined) {
    const holder = group.staticMembers.get(groupInstanceId);
    if (holder === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
    if (holder !== memberId) return ErrorCode.FENCED_INSTANCE_ID;
  }
  return group.members.get(memberId) ?? ErrorCode.UNKNOWN_MEMBER_ID;
}

/** Takes a SyncGroup. Its answer comes at once, or when the leader's assignment is durable. */
export function sync(state: GroupState, turn: Turn, command: SyncCommand, waiter: Waiter): void {
  const group = state.live.get(command.groupId);
  const found = validateSync(group, command);
  if (group === undefined || typeof found === 'number') {
    const errorCode = typeof found === 'number' ? found : ErrorCode.UNKNOWN_MEMBER_ID;
    turn.answers.push({ kind: 'sync', waiter, answer: syncError(errorCode) });
    return;
  }
  group.pendingSyncs.delete(found.memberId);
  if (group.pendingSyncs.size === 0) state.deadlines.cancel(syncKey(group.groupId));
  if (group.state === 'Stable') {
    const { protocolType, protocol: protocolName } = group;
    const answer = { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment: found.assignment };
    turn.answers.push({ kind: 'sync', waiter, answer });
    return;
  }
  answerSync(turn, found, syncError(ErrorCode.REBALANCE_IN_PROGRESS));
  found.syncWaiter = waiter;
  if (group.leader === found.memberId && !group.storing) storeAssignment(state, turn, group, command);
}

function validateSync(group: LiveGroup | undefined, command: SyncCommand): LiveMember | number {
  if (command.groupId === '') return ErrorCode.INVALID_GROUP_ID;
  if (group === undefined || group.state === 'Empty') return ErrorCode.UNKNOWN_MEMBER_ID;
  const found = validateMember(group, command.memberId, command.groupInstanceId);
  if (typeof found === 'number') return found;
  if (command.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  if (differs(command.protocolType, group.protocolType) || differs(command.protocolName, group.protocol)) {
    return ErrorCode.INCONSISTENT_GROUP_PROTOCOL;
  }
  return group.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : found;
}

function differs(asked: string | undefined, actual: string | undefined): boolean {
  return asked !== undefined && actual !== undefined && asked !== actual;
}

/** The leader's assignment goes to the log before anyone hears of it; members that it leaves out get an empty one. */
function storeAssignment(state: GroupState, turn: Turn, group: LiveGroup, command: SyncCommand): void {
  const { groupId, generationId } = group;
  const assignments = new Map<string, Uint8Array>();
  for (const { memberId, assignment } of command.assignments) {
    if (group.members.has(memberId)) assignments.set(memberId, new Uint8Array(assignment));
  }
  const stored = group.toStored(assignments);
  let bytes = 0;
  for (const { subscription, assignment } of stored.members) bytes += subscription.byteLength + assignment.byteLength;
  if (bytes > state.config.generationMaxBytes) {
    failSyncs(state, turn, group, ErrorCode.UNKNOWN_SERVER_ERROR);
    startRebalance(state, turn, group);
    return;
  }
  group.storing = true;
  turn.records.push({ kind: 'group-stored', groupId, group: stored });
  turn.continuations.push({ kind: 'assignment-stored', groupId, generationId, assignments });
}

/**
 * Goes on where a turn's records are durable (`errorCode` 0), or where the log refused them or was too slow. What has
 * changed meanwhile wins: a rebalance that began since makes the assignment void.
 */
export function settle(state: GroupState, turn: Turn, continuation: Continuation, errorCode: number): void {
  const group = state.live.get(continuation.groupId);
  if (group === undefined || group.generationId !== continuation.generationId) return;
  switch (continuation.kind) {
    case 'emptiness-stored':
      if (group.state === 'Empty' && group.pendingJoins.size === 0 && errorCode === ErrorCode.NONE)
        state.live.delete(group.groupId);
      break;
    case 'replacement-stored':
      // The log knows the old member id: only a new generation makes the two agree again.
      if (group.state === 'Stable' && errorCode !== ErrorCode.NONE) startRebalance(state, turn, group);
      break;
    case 'assignment-stored':
      if (group.state === 'CompletingRebalance') finishGeneration(state, turn, group, continuation.assignments, errorCode);
      break;
  }
}

function finishGeneration(
  state: GroupState,
  turn: Turn,
  group: LiveGroup,
  assignments: ReadonlyMap<string, Uint8Array>,
  errorCode: number,
): void {
  group.storing = false;
  if (errorCode !== ErrorCode.NONE) {
    failSyncs(state, turn, group, errorCode);
    startRebalance(state, turn, group);
    return;
  }
  const { protocolType, protocol: protocolName } = group;
  for (const member of group.members.values()) {
    member.assignment = assignments.get(member.memberId) ?? NO_BYTES;
    const answer = { errorCode: ErrorCode.NONE, protocolType, protocolName, assignment: member.assignment };
    if (answerSync(turn, member, answer)) expectHeartbeat(state, turn, group.groupId, member.memberId, member.sessionTimeoutMs);
  }
  group.transitionTo('Stable', turn.now.wallMs);
}

/** Takes a Heartbeat; returns its error code. */
export function heartbeat(state: GroupState, turn: Turn, command: HeartbeatCommand): number {
  if (command.groupId === '') return ErrorCode.INVALID_GROUP_ID;
  const group = state.live.get(command.groupId);
  if (group === undefined) return ErrorCode.UNKNOWN_MEMBER_ID;
  const found = validateMember(group, command.memberId, command.groupInstanceId);
  if (typeof found === 'number') return found;
  if (command.generationId !== group.generationId) return ErrorCode.ILLEGAL_GENERATION;
  expectHeartbeat(state, turn, group.groupId, found.memberId, found.sessionTimeoutMs);
  return group.state === 'PreparingRebalance' ? ErrorCode.REBALANCE_IN_PROGRESS : ErrorCode.NONE;
}

/** Takes a LeaveGroup: each member by its id, or a static one by its instance id alone (v3+, KIP-345). */
export function leave(state: GroupState, turn: Turn, command: LeaveCommand): LeaveAnswer {
  if (command.groupId === '') return { errorCode: ErrorCode.INVALID_GROUP_ID, members: [] };
  const group = state.live.get(command.groupId);
  const members = command.members.map(({ memberId, groupInstanceId }) => {
    const errorCode = group === undefined ? ErrorCode.UNKNOWN_MEMBER_ID : leaveOne(state, turn, group, memberId, groupInstanceId);
    return { memberId, groupInstanceId, errorCode };
  });
  if (group !== undefined && members.some(({ errorCode }) => errorCode === ErrorCode.NONE)) afterLeave(state, turn, group);
  return { errorCode: ErrorCode.NONE, members };
}

function leaveOne(
  state: GroupState,
  turn: Turn,
  group: LiveGroup,
  memberId: string,
  groupInstanceId: string | undefined,
): number {
  if (group.pendingJoins.has(memberId)) {
    forgetMember(state, group, memberId);
    return ErrorCode.NONE;
  }
  const holder = groupInstanceId === undefined ? undefined : group.staticMembers.get(groupInstanceId);
  const id = memberId === '' ? (holder ?? '') : memberId;
  const found = validateMember(group, id, groupInstanceId);
  if (typeof found === 'number') return found;
  dropMember(state, turn, group, found);
  return ErrorCode.NONE;
}

function afterLeave(state: GroupState, turn: Turn, group: LiveGroup): void {
  if (group.state === 'Stable' || group.state === 'CompletingRebalance') startRebalance(state, turn, group);
  else completeJoinIfAllJoined(state, turn, group);
  forgetIfIdle(state, group);
}

/** A member goes, whether it left or was lost; if its join is parked it may try again. */
function dropMember(state: GroupState, turn: Turn, group: LiveGroup, member: LiveMember): void {
  answerJoin(turn, group, member, joinError(ErrorCode.UNKNOWN_MEMBER_ID, ''));
  answerSync(turn, member, syncError(ErrorCode.UNKNOWN_MEMBER_ID));
  forgetMember(state, group, member.memberId);
}

/** No sign of life within the session timeout; a parked join or sync is one, but for a new member's first join. */
export function expireHeartbeat(state: GroupState, turn: Turn, group: LiveGroup, memberId: string): void {
  const member = group.members.get(memberId);
  if (member === undefined) {
    if (!group.removePending(memberId)) return;
  } else {
    const isWaiting = member.joinWaiter !== undefined || member.syncWaiter !== undefined;
    if (isWaiting && !member.isNew) return;
    dropMember(state, turn, group, member);
    if (group.state !== 'PreparingRebalance') startRebalance(state, turn, group);
  }
  // As in Kafka a lost member, unlike one that left, may end the initial rebalance before its delay.
  if (group.state === 'PreparingRebalance' && group.hasAllJoined) completeJoin(state, turn, group);
  forgetIfIdle(state, group);
}

/** Members that have not sent their sync within the rebalance timeout are dropped, static ones too. */
export function expireSync(state: GroupState, turn: Turn, group: LiveGroup, generationId: number): void {
  const isWaiting = group.state === 'CompletingRebalance' || group.state === 'Stable';
  if (group.generationId !== generationId || !isWaiting || group.pendingSyncs.size === 0) return;
  for (const memberId of [...group.pendingSyncs]) forgetMember(state, group, memberId);
  startRebalance(state, turn, group);
}

/** A group that holds nothing worth remembering beside its log does not stay alive. */
function forgetIfIdle(state: GroupState, group: LiveGroup): void {
  if (group.state !== 'Empty' || group.pendingJoins.size > 0 || group.members.size > 0) return;
  const stored = state.image.groups.get(group.groupId)?.stored;
  const isStored = (stored?.generationId ?? 0) === group.generationId && (stored?.members ?? []).length === 0;
  if (isStored) state.live.delete(group.groupId);
}
