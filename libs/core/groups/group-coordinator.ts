import { ErrorCode } from '../types/error-code';
import type { TopicId } from '../types/ids';
import type { GroupConfig } from './group-config';
import type { GroupRecord } from './group-record';
import type {
  CommitAnswer,
  CommitCommand,
  DeletedGroup,
  DeleteOffsetsAnswer,
  DeleteOffsetsCommand,
  DescribedGroup,
  FetchOffsetsAnswer,
  FetchOffsetsCommand,
  HeartbeatCommand,
  JoinCommand,
  LeaveAnswer,
  LeaveCommand,
  ListedGroup,
  SyncCommand,
} from './group-messages';
import type { Continuation, GroupDeadline, GroupState, Turn } from './group-state';
import type { GroupImage } from './group-image';
import type { MembershipUsage, Waiter } from './live-group';
import { LiveGroup } from './live-group';
import { expireGroup } from './expiration';
import { deleteGroup, describeGroup, listGroups } from './group-admin';
import { emptyGroupState, joinError, syncError } from './group-state';
import { join } from './join';
import { expireHeartbeat, expireSync, heartbeat, leave, settle, sync } from './membership';
import { commit, deleteOffsets, fetchOffsets, removeTopicOffsets } from './offsets';
import { answerJoin, answerSync, completeJoin, endInitialDelay, expectHeartbeat, startRebalance } from './rebalance';

/**
 * The coordinator of the groups of one partition of __consumer_offsets: Kafka's classic group protocol as a value that is
 * stepped. A command decides into a `Turn`: records for the log, answers to parked calls, continuations. The durable
 * state (`image`) changes by `replay` alone; membership is volatile and changes as decisions are made, which is why a
 * turn's records must be replayed before the next command is decided.
 */
export class GroupCoordinator {
  readonly #state: GroupState;

  /** `usage` is shared by all coordinators whose memory `config.membershipMaxBytes` bounds together. */
  constructor(config: GroupConfig, usage: MembershipUsage = { bytes: 0 }) {
    this.#state = emptyGroupState(config, usage);
  }

  get image(): GroupImage {
    return this.#state.image;
  }

  /** The groups that have members, or are about to. */
  get live(): ReadonlyMap<string, LiveGroup> {
    return this.#state.live;
  }

  /** No timeout ends before this (monotonic ms); undefined where none runs. */
  get nextDeadlineMs(): number | undefined {
    return this.#state.deadlines.nextMs();
  }

  replay(record: GroupRecord): void {
    this.#state.image.replay(record);
  }

  /** The log is replayed to its end: members that were there are given their session timeout to show up again. */
  start(turn: Turn): void {
    const state = this.#state;
    for (const [groupId, { stored }] of state.image.groups) {
      if (stored === undefined || stored.members.length === 0) continue;
      const group = new LiveGroup(groupId, stored, state.usage);
      state.live.set(groupId, group);
      for (const { memberId, sessionTimeoutMs } of stored.members)
        expectHeartbeat(state, turn, groupId, memberId, sessionTimeoutMs);
      // The bound was lowered since: whoever rejoins too late falls out.
      if (group.members.size > state.config.maxSize) startRebalance(state, turn, group);
    }
  }

  /** This is no longer the coordinator: whoever waits is told to look for the new one. */
  stop(turn: Turn): void {
    for (const group of this.#state.live.values()) {
      for (const member of group.members.values()) {
        answerJoin(turn, group, member, joinError(ErrorCode.NOT_COORDINATOR, member.memberId));
        answerSync(turn, member, syncError(ErrorCode.NOT_COORDINATOR));
      }
      group.clear();
    }
    this.#state.live.clear();
    this.#state.deadlines.clear();
  }

  /** `randomId` (a UUID) makes the id of a new member. The answer comes through this turn or a later one. */
  join(turn: Turn, command: JoinCommand, waiter: Waiter, randomId: string): void {
    join(this.#state, turn, command, waiter, randomId);
  }

  /** The answer comes through this turn or a later one. */
  sync(turn: Turn, command: SyncCommand, waiter: Waiter): void {
    sync(this.#state, turn, command, waiter);
  }

  /** Returns Kafka's error code. */
  heartbeat(turn: Turn, command: HeartbeatCommand): number {
    return heartbeat(this.#state, turn, command);
  }

  leave(turn: Turn, command: LeaveCommand): LeaveAnswer {
    return leave(this.#state, turn, command);
  }

  commit(turn: Turn, command: CommitCommand): CommitAnswer {
    return commit(this.#state, turn, command);
  }

  fetchOffsets(command: FetchOffsetsCommand): FetchOffsetsAnswer {
    return fetchOffsets(this.#state, command);
  }

  deleteOffsets(turn: Turn, command: DeleteOffsetsCommand): DeleteOffsetsAnswer {
    return deleteOffsets(this.#state, turn, command);
  }

  deleteGroup(turn: Turn, groupId: string): DeletedGroup {
    return deleteGroup(this.#state, turn, groupId);
  }

  describe(groupId: string): DescribedGroup {
    return describeGroup(this.#state, groupId);
  }

  list(states: readonly string[], types: readonly string[]): ListedGroup[] {
    return listGroups(this.#state, states, types);
  }

  /** Removes what has expired in one group; hosts go through all groups every `offsets.retention.check.interval.ms`. */
  expire(turn: Turn, groupId: string): void {
    expireGroup(this.#state, turn, groupId);
  }

  removeTopicOffsets(turn: Turn, topic: string, topicId: TopicId): void {
    removeTopicOffsets(this.#state, turn, topic, topicId);
  }

  /** The records before this continuation are durable (0), or were refused or too slow (an error code). */
  settle(turn: Turn, continuation: Continuation, errorCode: number): void {
    settle(this.#state, turn, continuation, errorCode);
  }

  /** Lets one timeout that has passed take effect; false where none has. Its records are replayed before the next. */
  expireDeadline(turn: Turn): boolean {
    const deadline = this.#state.deadlines.takeDue(turn.now.monotonicMs);
    if (deadline === undefined) return false;
    this.#onDeadline(turn, deadline);
    return true;
  }

  #onDeadline(turn: Turn, deadline: GroupDeadline): void {
    const state = this.#state;
    const group = state.live.get(deadline.groupId);
    if (group === undefined) return;
    switch (deadline.kind) {
      case 'heartbeat':
        expireHeartbeat(state, turn, group, deadline.memberId);
        break;
      case 'initial-delay':
        endInitialDelay(state, turn, group, deadline.delayMs, deadline.remainingMs);
        break;
      case 'join':
        completeJoin(state, turn, group);
        break;
      case 'sync':
        expireSync(state, turn, group, deadline.generationId);
        break;
    }
  }
}
