import { ErrorCode } from '../types/error-code';
import type { JoinAnswer, JoinCommand } from './group-messages';
import type { GroupState, Turn } from './group-state';
import type { LiveGroup, LiveMember, Waiter } from './live-group';
import { enliven, hasRoomForGroup, joinError, syncError } from './group-state';
import { NO_BYTES } from './live-group';
import { validateMember } from './membership';
import {
  answerJoin,
  answerSync,
  completeJoinIfAllJoined,
  expectHeartbeat,
  forgetMember,
  heartbeatKey,
  joinedAnswer,
  rebalanceOrComplete,
  startRebalance,
} from './rebalance';

/** A join with all that it needs: its own protocols without repetitions, and an id should it need one. */
interface Join {
  readonly command: JoinCommand;
  readonly waiter: Waiter;
  readonly newMemberId: string;
}

/**
 * Takes a JoinGroup. Its answer comes at once or when the join phase ends, through the turn that ends it.
 * `randomId` makes the member id of a new member unique (a UUID).
 */
export function join(state: GroupState, turn: Turn, raw: JoinCommand, waiter: Waiter, randomId: string): void {
  const early = refuseEarly(state, raw);
  if (early !== undefined) {
    turn.answers.push({ kind: 'join', waiter, answer: joinError(early, raw.memberId) });
    return;
  }
  const command = { ...raw, protocols: ownProtocols(raw.protocols) };
  const newMemberId = `${command.groupInstanceId ?? command.clientId}-${randomId}`;
  const isNew = command.memberId === '';
  if (!isNew && !state.live.has(command.groupId)) {
    turn.answers.push({ kind: 'join', waiter, answer: joinError(ErrorCode.UNKNOWN_MEMBER_ID, command.memberId) });
    return;
  }
  const wasAlive = state.live.has(command.groupId);
  const group = enliven(state, command.groupId);
  const answer = decideJoin(state, turn, group, { command, waiter, newMemberId });
  if (answer !== undefined) turn.answers.push({ kind: 'join', waiter, answer });
  if (!wasAlive && group.members.size === 0 && group.pendingJoins.size === 0) state.live.delete(command.groupId);
}

/** What can be refused without looking at the group. */
function refuseEarly(state: GroupState, command: JoinCommand): number | undefined {
  const { config } = state;
  if (command.groupId === '') return ErrorCode.INVALID_GROUP_ID;
  if (command.sessionTimeoutMs < config.minSessionTimeoutMs || command.sessionTimeoutMs > config.maxSessionTimeoutMs) {
    return ErrorCode.INVALID_SESSION_TIMEOUT;
  }
  const bytes = metadataBytes(command.protocols);
  if (bytes > config.memberMetadataMaxBytes) return ErrorCode.MESSAGE_TOO_LARGE;
  const known = state.live.get(command.groupId)?.members.get(command.memberId);
  const addedBytes = bytes - (known === undefined ? 0 : metadataBytes(known.protocols));
  const isFull = state.usage.bytes + addedBytes > config.membershipMaxBytes && (known === undefined || addedBytes > 0);
  if (isFull || !hasRoomForGroup(state, command.groupId)) return ErrorCode.COORDINATOR_NOT_AVAILABLE;
  return undefined;
}

function metadataBytes(protocols: JoinCommand['protocols']): number {
  let bytes = 0;
  for (const { metadata } of protocols) bytes += metadata.byteLength;
  return bytes;
}

function decideJoin(state: GroupState, turn: Turn, group: LiveGroup, join: Join): JoinAnswer | undefined {
  const { command } = join;
  if (!hasRoomForMember(state, group, command.memberId)) {
    forgetMember(state, group, command.memberId);
    completeJoinIfAllJoined(state, turn, group);
    return joinError(ErrorCode.GROUP_MAX_SIZE_REACHED, '');
  }
  if (!group.supports(command.protocolType, command.protocols)) {
    return joinError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, command.memberId);
  }
  return command.memberId === '' ? joinNew(state, turn, group, join) : joinKnown(state, turn, group, join);
}

/**
 * While members are joining, those that wait are counted, so that the last ones to rejoin a group that is too big are
 * the ones that fall out; later the members are.
 */
function hasRoomForMember(state: GroupState, group: LiveGroup, memberId: string): boolean {
  const { maxSize } = state.config;
  const member = group.members.get(memberId);
  switch (group.state) {
    case 'Empty':
      return true;
    case 'PreparingRebalance':
      return member?.joinWaiter !== undefined || group.awaitingJoinCount < maxSize;
    case 'CompletingRebalance':
    case 'Stable':
      return member !== undefined || group.members.size < maxSize;
  }
}

function joinNew(state: GroupState, turn: Turn, group: LiveGroup, join: Join): JoinAnswer | undefined {
  const { command, newMemberId } = join;
  if (command.groupInstanceId !== undefined) {
    const memberId = group.staticMembers.get(command.groupInstanceId);
    const old = memberId === undefined ? undefined : group.members.get(memberId);
    return old === undefined ? addMember(state, turn, group, join, newMemberId) : replaceStatic(state, turn, group, join, old);
  }
  if (!command.requireKnownMemberId) return addMember(state, turn, group, join, newMemberId);
  if (group.pendingJoins.size >= state.config.maxSize) return joinError(ErrorCode.GROUP_MAX_SIZE_REACHED, '');
  group.addPending(newMemberId);
  expectHeartbeat(state, turn, group.groupId, newMemberId, command.sessionTimeoutMs);
  return joinError(ErrorCode.MEMBER_ID_REQUIRED, newMemberId);
}

function joinKnown(state: GroupState, turn: Turn, group: LiveGroup, join: Join): JoinAnswer | undefined {
  const { memberId, groupInstanceId, protocols } = join.command;
  if (group.pendingJoins.has(memberId) && groupInstanceId === undefined) return addMember(state, turn, group, join, memberId);
  const found = validateMember(group, memberId, groupInstanceId);
  if (typeof found === 'number') return joinError(found, memberId);
  switch (group.state) {
    case 'PreparingRebalance':
      return rejoin(state, turn, group, join, found);
    case 'CompletingRebalance':
      // The same again: the answer to its join was lost.
      return sameProtocols(found, protocols) ? joinedAnswer(group, memberId) : rejoin(state, turn, group, join, found);
    case 'Stable':
      // A leader joins again when it wants a rebalance, such as for new partitions.
      if (group.leader === memberId || !sameProtocols(found, protocols)) return rejoin(state, turn, group, join, found);
      return joinedAnswer(group, memberId);
    case 'Empty':
      return joinError(ErrorCode.UNKNOWN_MEMBER_ID, memberId);
  }
}

function addMember(state: GroupState, turn: Turn, group: LiveGroup, join: Join, memberId: string): undefined {
  const { command, waiter } = join;
  if (group.isInitialRebalance) group.newMemberAdded = true;
  if (group.members.size === 0) group.protocolType = command.protocolType;
  group.add({
    memberId,
    groupInstanceId: command.groupInstanceId,
    clientId: command.clientId,
    clientHost: command.clientHost,
    rebalanceTimeoutMs: command.rebalanceTimeoutMs,
    sessionTimeoutMs: command.sessionTimeoutMs,
    protocols: command.protocols,
    assignment: NO_BYTES,
    joinWaiter: waiter,
    syncWaiter: undefined,
    isNew: true,
  });
  // A parked join cannot be seen to lose its client, and the member cannot heartbeat before it has its id.
  expectHeartbeat(state, turn, group.groupId, memberId, state.config.newMemberJoinTimeoutMs);
  rebalanceOrComplete(state, turn, group);
  return undefined;
}

function rejoin(state: GroupState, turn: Turn, group: LiveGroup, join: Join, member: LiveMember): undefined {
  park(turn, group, join, member);
  rebalanceOrComplete(state, turn, group);
  return undefined;
}

/** Parks a member's join; one that it sent before and gave up on is answered, so that nobody waits for nothing. */
function park(turn: Turn, group: LiveGroup, { command, waiter }: Join, member: LiveMember): void {
  group.updateMember(member, command.protocols, command.sessionTimeoutMs, command.rebalanceTimeoutMs);
  answerJoin(turn, group, member, joinError(ErrorCode.REBALANCE_IN_PROGRESS, member.memberId));
  group.setJoinWaiter(member, waiter);
}

/** A static member is back without its member id: it takes its own place over and fences the holder (KIP-345). */
function replaceStatic(state: GroupState, turn: Turn, group: LiveGroup, join: Join, old: LiveMember): JoinAnswer | undefined {
  const { command, newMemberId } = join;
  const oldLeader = group.leader ?? '';
  answerJoin(turn, group, old, joinError(ErrorCode.FENCED_INSTANCE_ID, old.memberId));
  answerSync(turn, old, syncError(ErrorCode.FENCED_INSTANCE_ID));
  state.deadlines.cancel(heartbeatKey(group.groupId, old.memberId));
  const member = group.replaceStatic(old, newMemberId, command);
  expectHeartbeat(state, turn, group.groupId, newMemberId, command.sessionTimeoutMs);
  switch (group.state) {
    case 'Stable':
      return takeOverStable(state, turn, group, join, member, oldLeader);
    case 'CompletingRebalance':
      // The leader may already be assigning to the old id, so that the new one would go without.
      park(turn, group, join, member);
      startRebalance(state, turn, group);
      return undefined;
    case 'PreparingRebalance':
      park(turn, group, join, member);
      completeJoinIfAllJoined(state, turn, group);
      return undefined;
    case 'Empty':
      throw new Error(`static member ${member.memberId} of the empty group ${group.groupId}`);
  }
}

/** No rebalance where the generation's protocol stays what it is: the new member id is stored, and the answer waits for that. */
function takeOverStable(
  state: GroupState,
  turn: Turn,
  group: LiveGroup,
  join: Join,
  member: LiveMember,
  oldLeader: string,
): JoinAnswer | undefined {
  const { command } = join;
  group.updateMember(member, command.protocols, command.sessionTimeoutMs, command.rebalanceTimeoutMs);
  if (group.selectProtocol() !== group.protocol) {
    group.setJoinWaiter(member, join.waiter);
    startRebalance(state, turn, group);
    return undefined;
  }
  const { groupId, generationId } = group;
  turn.records.push({ kind: 'group-stored', groupId, group: group.toStored() });
  turn.continuations.push({ kind: 'replacement-stored', groupId, generationId });
  const answer = joinedAnswer(group, member.memberId);
  if (command.supportsSkipAssignment) return { ...answer, skipAssignment: group.leader === member.memberId };
  // Told its own new id as the leader's, an older client would assign anew and the group would not know.
  return { ...answer, leader: oldLeader, members: [] };
}

/** The protocols by their first mention, with bytes of their own: what the command holds may be part of a larger request. */
function ownProtocols(protocols: JoinCommand['protocols']): JoinCommand['protocols'] {
  const byName = new Map<string, JoinCommand['protocols'][number]>();
  for (const { name, metadata } of protocols) {
    if (!byName.has(name)) byName.set(name, { name, metadata: new Uint8Array(metadata) });
  }
  return [...byName.values()];
}

function sameProtocols(member: LiveMember, protocols: JoinCommand['protocols']): boolean {
  if (member.protocols.length !== protocols.length) return false;
  return protocols.every((protocol, index) => {
    const known = member.protocols[index];
    return known !== undefined && known.name === protocol.name && equalBytes(known.metadata, protocol.metadata);
  });
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && left.every((byte, index) => byte === right[index]);
}
