import type { TimestampMs } from '../types/ids';
import type { GroupConfig } from './group-config';
import type { GroupRecord } from './group-record';
import type { JoinAnswer, SyncAnswer } from './group-messages';
import type { MembershipUsage, Waiter } from './live-group';
import { DeadlineQueue } from './deadline-queue';
import { GroupImage } from './group-image';
import { LiveGroup, NO_BYTES } from './live-group';

/** Time as input: timeouts run on the monotonic clock, timestamps in records are wall time. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: TimestampMs;
}

/** What happens when a deadline passes. */
export type GroupDeadline =
  | { readonly kind: 'heartbeat'; readonly groupId: string; readonly memberId: string }
  | { readonly kind: 'initial-delay'; readonly groupId: string; readonly delayMs: number; readonly remainingMs: number }
  | { readonly kind: 'join'; readonly groupId: string }
  | { readonly kind: 'sync'; readonly groupId: string; readonly generationId: number };

/** All that one coordinator (one partition of __consumer_offsets) knows. */
export interface GroupState {
  readonly config: GroupConfig;
  /** Durable: only replay changes it. */
  readonly image: GroupImage;
  /** Volatile: groups that have members, pending members, or an emptiness that is not stored yet. */
  readonly live: Map<string, LiveGroup>;
  readonly deadlines: DeadlineQueue<GroupDeadline>;
  readonly usage: MembershipUsage;
}

export function emptyGroupState(config: GroupConfig, usage: MembershipUsage): GroupState {
  return { config, image: new GroupImage(), live: new Map(), deadlines: new DeadlineQueue(), usage };
}

/** The end of a parked call. */
export type WaiterAnswer =
  | { readonly kind: 'join'; readonly waiter: Waiter; readonly answer: JoinAnswer }
  | { readonly kind: 'sync'; readonly waiter: Waiter; readonly answer: SyncAnswer };

/** What is left to do when a turn's records are durable, or were refused; handed back through `settle`. */
export type Continuation =
  | {
      readonly kind: 'assignment-stored';
      readonly groupId: string;
      readonly generationId: number;
      readonly assignments: ReadonlyMap<string, Uint8Array>;
    }
  | { readonly kind: 'emptiness-stored'; readonly groupId: string; readonly generationId: number }
  | { readonly kind: 'replacement-stored'; readonly groupId: string; readonly generationId: number };

/**
 * What one decision asks of its host, in this order: append and replay the records, make them durable, then give the
 * answers and hand the continuations back.
 */
export interface Turn {
  readonly now: Now;
  readonly records: GroupRecord[];
  readonly answers: WaiterAnswer[];
  readonly continuations: Continuation[];
}

export function newTurn(now: Now): Turn {
  return { now, records: [], answers: [], continuations: [] };
}

/** What waiters are told instead of `answers` where the log did not take the turn's records in time. */
export function failedAnswers(answers: readonly WaiterAnswer[], errorCode: number): WaiterAnswer[] {
  return answers.map((one) =>
    one.kind === 'join'
      ? { ...one, answer: joinError(errorCode, one.answer.memberId) }
      : { ...one, answer: syncError(errorCode) },
  );
}

/** The group as it lives, made from what is stored (or anew) where it does not live yet. */
export function enliven(state: GroupState, groupId: string): LiveGroup {
  const living = state.live.get(groupId);
  if (living !== undefined) return living;
  const group = new LiveGroup(groupId, withoutMembers(state, groupId), state.usage);
  state.live.set(groupId, group);
  return group;
}

/** True where the group is known to the log or lives. */
export function exists(state: GroupState, groupId: string): boolean {
  return state.live.has(groupId) || state.image.groups.has(groupId);
}

/** True where one more group may be made. */
export function hasRoomForGroup(state: GroupState, groupId: string): boolean {
  if (exists(state, groupId)) return true;
  return state.image.groups.size < state.config.maxGroups && state.live.size < state.config.maxGroups;
}

export function joinError(errorCode: number, memberId: string): JoinAnswer {
  return { errorCode, generationId: -1, leader: '', memberId, skipAssignment: false, members: [] };
}

export function syncError(errorCode: number): SyncAnswer {
  return { errorCode, assignment: NO_BYTES };
}

/** A stored generation whose members are not alive here has none: the coordinator's start brought the living ones to life. */
function withoutMembers(state: GroupState, groupId: string) {
  const stored = state.image.groups.get(groupId)?.stored;
  return stored === undefined ? undefined : { ...stored, members: [], leader: undefined, protocol: undefined };
}
