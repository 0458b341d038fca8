import type { TimestampMs } from '../types/ids';
import type { StoredGroup } from './group-record';
import type { GroupProtocol, JoinAnswer } from './group-messages';
import { subscribedTopicsOf } from './consumer-subscription';

/**
 * A group's state. `Dead` is what a group is that has no entry at all: deleted, or never there.
 *
 *     Empty ---------------> PreparingRebalance      a member joins
 *     PreparingRebalance --> CompletingRebalance     all have joined, or the time is up
 *     PreparingRebalance --> Empty                   nobody is left
 *     CompletingRebalance -> Stable                  the leader's assignment is stored
 *     CompletingRebalance, Stable -> PreparingRebalance   a join, a leave, a timeout
 */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable';

/** Names a parked join or sync; chosen by the host, given back with the answer. */
export type Waiter = number;

export interface LiveMember {
  readonly memberId: string;
  readonly groupInstanceId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  rebalanceTimeoutMs: number;
  sessionTimeoutMs: number;
  protocols: readonly GroupProtocol[];
  assignment: Uint8Array;
  joinWaiter: Waiter | undefined;
  syncWaiter: Waiter | undefined;
  /** Has not yet got the answer to its first join: it cannot heartbeat, so only the join timeout watches it. */
  isNew: boolean;
}

export const NO_BYTES = new Uint8Array(0);

/** What membership takes in memory, roughly; shared by all groups of a node, so that their sum can be bounded. */
export interface MembershipUsage {
  bytes: number;
}

/** A member or a pending one without its protocols: names, maps, its deadline. */
const MEMBER_BYTES = 1_024;
export const CONSUMER_PROTOCOL_TYPE = 'consumer';

const ALLOWED_FROM: Readonly<Record<GroupState, readonly GroupState[]>> = {
  Empty: ['PreparingRebalance'],
  PreparingRebalance: ['Empty', 'CompletingRebalance', 'Stable'],
  CompletingRebalance: ['PreparingRebalance'],
  Stable: ['CompletingRebalance'],
};

/**
 * The membership of one group: volatile, lost with the coordinator. What must survive is stored as a generation
 * (`StoredGroup`), from which a new coordinator begins.
 */
export class LiveGroup {
  readonly members = new Map<string, LiveMember>();
  /** Members of the current generation that have not sent their sync. */
  readonly pendingSyncs = new Set<string>();
  /** By group.instance.id (KIP-345). */
  readonly staticMembers = new Map<string, string>();
  protocolType: string;
  protocol: string | undefined;
  leader: string | undefined;
  generationId: number;
  stateTimestampMs: TimestampMs | -1;
  /** Undefined: not a consumer group, or a subscription that could not be read. */
  subscribedTopics: ReadonlySet<string> | undefined;
  /** During the initial rebalance: another member came since the delay was last extended. */
  newMemberAdded = false;
  /** The leader's assignment of this generation is on its way to the log. */
  storing = false;
  #state: GroupState;
  #previousState: GroupState | undefined;
  #awaitingJoin = 0;
  readonly #pendingJoins = new Set<string>();
  readonly #protocolSupport = new Map<string, number>();

  constructor(
    readonly groupId: string,
    stored: StoredGroup | undefined,
    private readonly usage: MembershipUsage,
  ) {
    this.protocolType = stored?.protocolType ?? '';
    this.protocol = stored?.protocol;
    this.leader = stored?.leader;
    this.generationId = stored?.generationId ?? 0;
    this.stateTimestampMs = stored?.stateTimestampMs ?? -1;
    this.#state = stored !== undefined && stored.members.length > 0 ? 'Stable' : 'Empty';
    for (const member of stored?.members ?? []) {
      const protocols = [{ name: this.protocol ?? '', metadata: member.subscription }];
      this.add({ ...member, protocols, joinWaiter: undefined, syncWaiter: undefined, isNew: false });
    }
    this.subscribedTopics = this.#computeSubscribedTopics();
  }

  get state(): GroupState {
    return this.#state;
  }

  /** The first rebalance out of Empty: its end is set by the initial delay alone. */
  get isInitialRebalance(): boolean {
    return this.#state === 'PreparingRebalance' && this.#previousState === 'Empty';
  }

  /** Member ids handed out with MEMBER_ID_REQUIRED that have not joined yet. */
  get pendingJoins(): ReadonlySet<string> {
    return this.#pendingJoins;
  }

  get awaitingJoinCount(): number {
    return this.#awaitingJoin;
  }

  get hasAllJoined(): boolean {
    return this.members.size === this.#awaitingJoin && this.pendingJoins.size === 0;
  }

  /** The longest rebalance timeout of any member. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  transitionTo(state: GroupState, nowMs: TimestampMs): void {
    if (!ALLOWED_FROM[state].includes(this.#state)) {
      throw new Error(`group ${this.groupId} cannot go from ${this.#state} to ${state}`);
    }
    this.#previousState = this.#state;
    this.#state = state;
    this.stateTimestampMs = nowMs;
  }

  add(member: LiveMember): void {
    if (member.groupInstanceId !== undefined) this.staticMembers.set(member.groupInstanceId, member.memberId);
    this.leader ??= member.memberId;
    this.members.set(member.memberId, member);
    this.usage.bytes += MEMBER_BYTES;
    this.#countProtocols(member.protocols, 1);
    if (member.joinWaiter !== undefined) this.#awaitingJoin += 1;
    this.removePending(member.memberId);
  }

  addPending(memberId: string): void {
    if (this.#pendingJoins.has(memberId)) return;
    this.#pendingJoins.add(memberId);
    this.usage.bytes += MEMBER_BYTES;
  }

  /** False where there was none. */
  removePending(memberId: string): boolean {
    const wasPending = this.#pendingJoins.delete(memberId);
    if (wasPending) this.usage.bytes -= MEMBER_BYTES;
    return wasPending;
  }

  /** Forgets everyone: the coordinator ends. */
  clear(): void {
    for (const memberId of [...this.members.keys()]) this.remove(memberId);
    for (const memberId of [...this.#pendingJoins]) this.removePending(memberId);
  }

  remove(memberId: string): void {
    const member = this.members.get(memberId);
    if (member !== undefined) {
      this.members.delete(memberId);
      this.usage.bytes -= MEMBER_BYTES;
      this.#countProtocols(member.protocols, -1);
      if (member.joinWaiter !== undefined) this.#awaitingJoin -= 1;
      if (member.groupInstanceId !== undefined) this.staticMembers.delete(member.groupInstanceId);
    }
    if (this.leader === memberId) this.leader = this.members.keys().next().value;
    this.removePending(memberId);
    this.pendingSyncs.delete(memberId);
  }

  /** Parks (a waiter) or releases (undefined) a member's join; returns the waiter that was there. */
  setJoinWaiter(member: LiveMember, waiter: Waiter | undefined): Waiter | undefined {
    const before = member.joinWaiter;
    member.joinWaiter = waiter;
    this.#awaitingJoin += Number(waiter !== undefined) - Number(before !== undefined);
    return before;
  }

  updateMember(
    member: LiveMember,
    protocols: readonly GroupProtocol[],
    sessionTimeoutMs: number,
    rebalanceTimeoutMs: number,
  ): void {
    this.#countProtocols(member.protocols, -1);
    member.protocols = protocols;
    this.#countProtocols(protocols, 1);
    member.sessionTimeoutMs = sessionTimeoutMs;
    member.rebalanceTimeoutMs = rebalanceTimeoutMs;
  }

  /** Gives a static member's place, assignment and leadership to a new member id. Its waiters were answered before. */
  replaceStatic(old: LiveMember, newMemberId: string, client: { clientId: string; clientHost: string }): LiveMember {
    const wasLeader = this.leader === old.memberId;
    this.remove(old.memberId);
    const member: LiveMember = {
      ...old,
      memberId: newMemberId,
      clientId: client.clientId,
      clientHost: client.clientHost,
      joinWaiter: undefined,
      syncWaiter: undefined,
      isNew: false,
    };
    this.add(member);
    if (wasLeader) this.leader = newMemberId;
    return member;
  }

  /** True where a member with these protocols may join: the same type and one protocol that all others know. */
  supports(protocolType: string, protocols: readonly GroupProtocol[]): boolean {
    if (protocolType === '' || protocols.length === 0) return false;
    if (this.#state === 'Empty') return true;
    if (protocolType !== this.protocolType) return false;
    return protocols.some(({ name }) => this.#protocolSupport.get(name) === this.members.size || this.members.size === 0);
  }

  /** The protocol that all members know and most of them prefer; where votes are equal the one in use, else the first. */
  selectProtocol(): string | undefined {
    const votes = new Map<string, number>();
    for (const member of this.members.values()) {
      const choice = member.protocols.find(({ name }) => this.#protocolSupport.get(name) === this.members.size);
      if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let best = this.protocol;
    for (const [name, count] of votes) if (count > (votes.get(best ?? '') ?? 0)) best = name;
    return best !== undefined && votes.has(best) ? best : undefined;
  }

  /** Makes sure that the leader is a member that has joined; false where none has. */
  electJoinedLeader(): boolean {
    const leader = this.leader === undefined ? undefined : this.members.get(this.leader);
    if (leader?.joinWaiter !== undefined) return true;
    for (const member of this.members.values()) {
      if (member.joinWaiter === undefined) continue;
      this.leader = member.memberId;
      return true;
    }
    return false;
  }

  /** Begins the next generation: CompletingRebalance with members, Empty without. */
  nextGeneration(nowMs: TimestampMs): void {
    this.generationId += 1;
    this.protocol = this.selectProtocol();
    this.subscribedTopics = this.#computeSubscribedTopics();
    this.transitionTo(this.members.size > 0 ? 'CompletingRebalance' : 'Empty', nowMs);
    this.pendingSyncs.clear();
    this.storing = false;
  }

  /** Where the subscription is not known, a consumer group is taken to subscribe to everything. */
  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics?.has(topic) ?? this.protocolType === CONSUMER_PROTOCOL_TYPE;
  }

  /** A member's metadata for the generation's protocol. */
  subscriptionOf(member: LiveMember): Uint8Array {
    return member.protocols.find(({ name }) => name === this.protocol)?.metadata ?? NO_BYTES;
  }

  joinMembers(): JoinAnswer['members'] {
    return [...this.members.values()].map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: this.subscriptionOf(member),
    }));
  }

  /** The generation as the log stores it; assignments from `assignments`, else the members' own. */
  toStored(assignments?: ReadonlyMap<string, Uint8Array>): StoredGroup {
    return {
      protocolType: this.protocolType,
      generationId: this.generationId,
      protocol: this.protocol,
      leader: this.leader,
      stateTimestampMs: this.stateTimestampMs,
      members: [...this.members.values()].map((member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        rebalanceTimeoutMs: member.rebalanceTimeoutMs,
        sessionTimeoutMs: member.sessionTimeoutMs,
        subscription: this.subscriptionOf(member),
        assignment: assignments === undefined ? member.assignment : (assignments.get(member.memberId) ?? NO_BYTES),
      })),
    };
  }

  #countProtocols(protocols: readonly GroupProtocol[], by: 1 | -1): void {
    for (const { name, metadata } of protocols) {
      this.usage.bytes += by * metadata.byteLength;
      const count = (this.#protocolSupport.get(name) ?? 0) + by;
      if (count === 0) this.#protocolSupport.delete(name);
      else this.#protocolSupport.set(name, count);
    }
  }

  #computeSubscribedTopics(): ReadonlySet<string> | undefined {
    if (this.protocolType !== CONSUMER_PROTOCOL_TYPE) return undefined;
    const topics = new Set<string>();
    for (const member of this.members.values()) {
      const subscribed = subscribedTopicsOf(this.subscriptionOf(member));
      if (subscribed === undefined) return undefined;
      for (const topic of subscribed) topics.add(topic);
    }
    return topics;
  }
}
