import { ErrorCode } from '../types/error-code';
import type { JoinAnswer, SyncAnswer } from './group-messages';
import type { GroupState, Turn } from './group-state';
import type { LiveGroup, LiveMember } from './live-group';
import { syncError } from './group-state';
import { NO_BYTES } from './live-group';

export function heartbeatKey(groupId: string, memberId: string): string {
  return `h ${memberId} ${groupId}`;
}

export function joinKey(groupId: string): string {
  return `j ${groupId}`;
}

export function syncKey(groupId: string): string {
  return `s ${groupId}`;
}

/** Expects a sign of life from the member within `timeoutMs`. */
export function expectHeartbeat(state: GroupState, turn: Turn, groupId: string, memberId: string, timeoutMs: number): void {
  const key = heartbeatKey(groupId, memberId);
  state.deadlines.schedule(key, turn.now.monotonicMs + timeoutMs, { kind: 'heartbeat', groupId, memberId });
}

export function forgetMember(state: GroupState, group: LiveGroup, memberId: string): void {
  group.remove(memberId);
  state.deadlines.cancel(heartbeatKey(group.groupId, memberId));
}

/** Answers a member's parked join, if there is one. */
export function answerJoin(turn: Turn, group: LiveGroup, member: LiveMember, answer: JoinAnswer): void {
  const waiter = group.setJoinWaiter(member, undefined);
  if (waiter !== undefined) turn.answers.push({ kind: 'join', waiter, answer });
}

/** Answers a member's parked sync, if there is one. */
export function answerSync(turn: Turn, member: LiveMember, answer: SyncAnswer): boolean {
  const waiter = member.syncWaiter;
  if (waiter === undefined) return false;
  member.syncWaiter = undefined;
  turn.answers.push({ kind: 'sync', waiter, answer });
  return true;
}

/** The current generation, as a member that joined it is told. */
export function joinedAnswer(group: LiveGroup, memberId: string): JoinAnswer {
  return {
    errorCode: ErrorCode.NONE,
    generationId: group.generationId,
    protocolType: group.protocolType,
    protocolName: group.protocol,
    leader: group.leader ?? '',
    memberId,
    skipAssignment: false,
    members: group.leader === memberId ? group.joinMembers() : [],
  };
}

/** Something changed the membership: starts a rebalance, or goes on with the one that runs. */
export function rebalanceOrComplete(state: GroupState, turn: Turn, group: LiveGroup): void {
  if (group.state === 'PreparingRebalance') completeJoinIfAllJoined(state, turn, group);
  else startRebalance(state, turn, group);
}

/** Everyone has to join again; out of Empty the initial delay gives more members time to come. */
export function startRebalance(state: GroupState, turn: Turn, group: LiveGroup): void {
  if (group.state === 'CompletingRebalance') failSyncs(state, turn, group, ErrorCode.REBALANCE_IN_PROGRESS);
  group.storing = false;
  state.deadlines.cancel(syncKey(group.groupId));
  const isInitial = group.state === 'Empty';
  group.transitionTo('PreparingRebalance', turn.now.wallMs);
  if (isInitial) {
    const delayMs = state.config.initialRebalanceDelayMs;
    scheduleInitialDelay(state, turn, group, delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0));
  } else if (group.hasAllJoined) {
    completeJoin(state, turn, group);
  } else {
    scheduleJoinTimeout(state, turn, group);
  }
}

/** Ends the join phase when everyone is there; the initial rebalance ends by its delay alone. */
export function completeJoinIfAllJoined(state: GroupState, turn: Turn, group: LiveGroup): void {
  if (group.state !== 'PreparingRebalance' || group.isInitialRebalance || !group.hasAllJoined) return;
  completeJoin(state, turn, group);
}

/** The initial delay is over: once more if members came meanwhile and the rebalance timeout allows it (KIP-134). */
export function endInitialDelay(state: GroupState, turn: Turn, group: LiveGroup, delayMs: number, remainingMs: number): void {
  if (!group.newMemberAdded || remainingMs === 0) {
    completeJoin(state, turn, group);
    return;
  }
  group.newMemberAdded = false;
  const nextDelayMs = Math.min(state.config.initialRebalanceDelayMs, remainingMs);
  scheduleInitialDelay(state, turn, group, nextDelayMs, Math.max(remainingMs - delayMs, 0));
}

/**
 * Ends the join phase: dynamic members that have not joined are dropped (static ones keep their place until their
 * session ends), a new generation begins, and everyone who joined is told.
 */
export function completeJoin(state: GroupState, turn: Turn, group: LiveGroup): void {
  state.deadlines.cancel(joinKey(group.groupId));
  for (const member of [...group.members.values()]) {
    if (member.joinWaiter === undefined && member.groupInstanceId === undefined) forgetMember(state, group, member.memberId);
  }
  if (group.members.size > 0 && !group.electJoinedLeader()) {
    // Only absent static members are left: their sessions decide.
    scheduleJoinTimeout(state, turn, group);
    return;
  }
  group.newMemberAdded = false;
  group.nextGeneration(turn.now.wallMs);
  if (group.state === 'Empty') {
    storeEmptiness(turn, group);
    return;
  }
  for (const member of group.members.values()) {
    answerJoin(turn, group, member, joinedAnswer(group, member.memberId));
    expectHeartbeat(state, turn, group.groupId, member.memberId, member.sessionTimeoutMs);
    member.isNew = false;
    group.pendingSyncs.add(member.memberId);
  }
  state.deadlines.schedule(syncKey(group.groupId), turn.now.monotonicMs + group.rebalanceTimeoutMs, {
    kind: 'sync',
    groupId: group.groupId,
    generationId: group.generationId,
  });
}

/** Answers every parked sync with an error; assignments of the unfinished generation are void. */
export function failSyncs(state: GroupState, turn: Turn, group: LiveGroup, errorCode: number): void {
  for (const member of group.members.values()) {
    member.assignment = NO_BYTES;
    if (answerSync(turn, member, syncError(errorCode))) {
      expectHeartbeat(state, turn, group.groupId, member.memberId, member.sessionTimeoutMs);
    }
  }
}

function storeEmptiness(turn: Turn, group: LiveGroup): void {
  const { groupId, generationId } = group;
  turn.records.push({ kind: 'group-stored', groupId, group: group.toStored() });
  turn.continuations.push({ kind: 'emptiness-stored', groupId, generationId });
}

function scheduleInitialDelay(state: GroupState, turn: Turn, group: LiveGroup, delayMs: number, remainingMs: number): void {
  const { groupId } = group;
  const deadline = { kind: 'initial-delay' as const, groupId, delayMs, remainingMs };
  state.deadlines.schedule(joinKey(groupId), turn.now.monotonicMs + delayMs, deadline);
}

function scheduleJoinTimeout(state: GroupState, turn: Turn, group: LiveGroup): void {
  const { groupId } = group;
  state.deadlines.schedule(joinKey(groupId), turn.now.monotonicMs + group.rebalanceTimeoutMs, { kind: 'join', groupId });
}
