import { OUR_FEATURES } from '@streamline/core/metadata/features';
import { voterId } from '@streamline/core/raft/types';
import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import { type JoinResponse, JoinOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { backOff } from '../time/back-off';
import type { ConsensusMembership } from './consensus-membership';
import type { LogMember } from './metadata-log';
import type { PeerPorts } from './peer-ports';
import { waitingDirectory } from './waiting-node';

/** A member that is what it is to be looks this often whether it still is. */
const LOOK_MS = 500;
/** Between two attempts to become it, from the first to the longest. */
const ATTEMPT_MS_MIN = 20;
const ATTEMPT_MS_MAX = 1_000;
const ASK_MS = 5_000;
const REMIND_MS = 1_000;
/** Addresses that are asked in one go, about. */
const ASKED_MAX = 64;

export interface MembershipKeeperOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly peers: Pick<PeerPorts, 'askMembership'>;
  readonly consensus: ConsensusMembership;
  readonly self: {
    readonly nodeId: NodeId;
    readonly directoryId: DirectoryId;
    readonly address: string;
    readonly incarnationId: string;
  };
  readonly clusterId: () => string;
  /** Where members were when this node joined, and its seeds: asked where it does not know who leads. */
  readonly contacts: readonly string[];
  /** Without a leader for so long, others are asked whether this node was removed. */
  readonly leaderlessMs: number;
  readonly onProblem: (problem: string) => void;
  /** The cluster says that this node is no member of it any more. */
  readonly onRemoved: () => void;
  /** The cluster says that it is one, and does not take it as it is; somebody has to do something about the reason. */
  readonly onRefused: (reason: string) => void;
}

/**
 * Sees to it that this node becomes, and stays, the member that it is to be: a learner that has caught up asks to be a voter,
 * an address that has changed is told, and who was removed finds out. Where it leads it reminds those that do not know what they are.
 */
export class MembershipKeeper {
  #cancel: Cancel = () => undefined;
  #isStopped = false;
  #attempts = 0;
  #leaderSeenMs: number;
  #problem = '';
  readonly #stop = new AbortController();

  constructor(private readonly options: MembershipKeeperOptions) {
    this.#leaderSeenMs = options.clock.monotonicMs();
    this.#schedule(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#stop.abort();
    this.#cancel();
  }

  #schedule(delayMs: number): void {
    if (this.#isStopped) return;
    this.#cancel = this.options.clock.schedule(delayMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { random } = this.options;
    const isSettled = await this.#settle();
    this.#attempts = isSettled ? 0 : this.#attempts + 1;
    this.#schedule(
      isSettled ? LOOK_MS : backOff({ attempt: this.#attempts, minMs: ATTEMPT_MS_MIN, maxMs: ATTEMPT_MS_MAX, random }),
    );
  }

  /** True: there is nothing to do now. */
  async #settle(): Promise<boolean> {
    const { consensus, clock, leaderlessMs } = this.options;
    const { leaderId, leaderAddress } = consensus.status;
    const nowMs = clock.monotonicMs();
    if (leaderId !== undefined) this.#leaderSeenMs = nowMs;
    const members = consensus.members();
    const self = members.find((member) => this.#isSelf(member));
    if (members.length > 0 && self === undefined && leaderId !== undefined) return this.#checkRemoved();
    const hasMoved = self !== undefined && self.address !== this.options.self.address;
    const isLeaderless = nowMs - this.#leaderSeenMs > leaderlessMs;
    if (isLeaderless && (await this.#checkRemoved())) return true;
    if (leaderId === this.options.self.nodeId) {
      if (hasMoved) return this.#move(self);
      await this.#remindUnaware(members);
      return true;
    }
    // The leader's messages go where this node was: others have to tell it. A log that ends before this node joined does not
    // say where that is.
    const isMissed = hasMoved || (isLeaderless && self === undefined);
    if (leaderId === undefined) return !isMissed || this.#ask(this.#contacts());
    const isRight = !hasMoved && (self?.isVoter === true || self?.staysLearner === true);
    return isRight || this.#ask(leaderAddress === undefined ? this.#contacts() : [leaderAddress]);
  }

  #isSelf({ nodeId, directoryId }: LogMember): boolean {
    const { self } = this.options;
    return nodeId === self.nodeId && directoryId === self.directoryId;
  }

  /** Who was let in and has never been heard of since may have ended before it had written down what it is part of. */
  async #remindUnaware(members: readonly LogMember[]): Promise<void> {
    const isUnheard = ({ isVoter, progress }: LogMember): boolean =>
      !isVoter && progress?.matchIndex === 0 && progress.silentMs > this.options.leaderlessMs;
    await Promise.all(members.filter(isUnheard).map((member) => this.#remind(member)));
  }

  /** Invites the member again if it waits, on the directory that was let in, to be part of a cluster. */
  async #remind({ nodeId, directoryId, address, staysLearner }: LogMember): Promise<void> {
    const { peers, self, consensus } = this.options;
    const clusterId = this.options.clusterId();
    const asked = { fromNodeId: self.nodeId, fromDirectoryId: '', fromClusterId: clusterId };
    const context = { deadlineMs: REMIND_MS, signal: this.#stop.signal };
    try {
      const found = await peers.askMembership(address, (port) => port.describeNode(asked, context));
      if (waitingDirectory(found, nodeId) !== directoryId) return;
      const memberAddresses = consensus.members().map((member) => member.address);
      const invitation = { clusterId, memberAddresses, nodeId, promoteToVoter: !staysLearner };
      await peers.askMembership(address, (port) => port.invite(invitation, context));
    } catch {
      // It is down, or cannot be reached now: it is looked at again.
    }
  }

  /** This node leads from another address than it is known by. */
  async #move(member: LogMember): Promise<boolean> {
    const { consensus, self } = this.options;
    const id = voterId(member.nodeId, member.directoryId);
    const change = { kind: 'set-address', id, address: self.address } as const;
    try {
      const reply = await consensus.changeMembership([change], ASK_MS);
      if (reply.kind !== 'done') this.#tell(`its address ${self.address} is not known yet: ${reply.kind}`);
      return reply.kind === 'done';
    } catch {
      // The log is broken, of which its owner is told.
      return true;
    }
  }

  /** Asks one after the other until a leader has said what this node is. */
  async #ask(addresses: readonly string[]): Promise<boolean> {
    for (const address of addresses) {
      const { outcome, reason } = await this.#askAt(address);
      if (outcome === JoinOutcome.VOTER) return true;
      if (outcome === JoinOutcome.REFUSED) return this.#refused(reason);
      if (outcome === JoinOutcome.LEARNER || outcome === JoinOutcome.BUSY) return false;
    }
    return addresses.length === 0;
  }

  async #askAt(address: string): Promise<Pick<JoinResponse, 'outcome' | 'reason'>> {
    const { peers, self, clusterId } = this.options;
    const request = { ...self, clusterId: clusterId(), promoteToVoter: true, features: [...OUR_FEATURES] };
    try {
      const answer = await peers.askMembership(address, (port) => port.join(request, this.#context()));
      if (answer.outcome !== JoinOutcome.VOTER) this.#tell(`${address}: ${answer.reason}`);
      return answer;
    } catch (error) {
      this.#tell(`${address}: ${error instanceof Error ? error.message : String(error)}`);
      return { outcome: JoinOutcome.NO_LEADER, reason: '' };
    }
  }

  /** Who is a member and is refused all the same does harm: by a copy of its directory, or by a version that is too old. */
  async #refused(reason: string): Promise<boolean> {
    const standing = await this.#standing();
    if (standing === 'unknown') return false;
    this.stop();
    if (standing === 'removed') this.options.onRemoved();
    else this.options.onRefused(reason);
    return true;
  }

  async #checkRemoved(): Promise<boolean> {
    if ((await this.#standing()) !== 'removed') return false;
    this.stop();
    this.options.onRemoved();
    return true;
  }

  /** Only a leader that has made sure that it leads can say whether this node is a member. */
  async #standing(): Promise<'member' | 'removed' | 'unknown'> {
    const { peers, self, clusterId } = this.options;
    const asked = { fromNodeId: self.nodeId, fromDirectoryId: self.directoryId, fromClusterId: clusterId() };
    // Who does not lead may know who does.
    const addresses = new Set(this.#contacts());
    for (const address of addresses) {
      try {
        const answer = await peers.askMembership(address, (port) => port.describeNode(asked, this.#context()));
        if (answer.clusterId !== clusterId()) continue;
        if (answer.leaderAddress !== '' && addresses.size < ASKED_MAX) addresses.add(answer.leaderAddress);
        if (answer.callerIsMember !== undefined) return answer.callerIsMember ? 'member' : 'removed';
      } catch {
        // Whoever does not answer says nothing about this node.
      }
    }
    return 'unknown';
  }

  #contacts(): readonly string[] {
    const { consensus, contacts, self } = this.options;
    const members = consensus.members().map(({ address }) => address);
    return [...new Set([...members, ...contacts])].filter((address) => address !== '' && address !== self.address);
  }

  #context(): { readonly deadlineMs: number; readonly signal: AbortSignal } {
    return { deadlineMs: ASK_MS, signal: this.#stop.signal };
  }

  #tell(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.options.onProblem(problem);
  }
}
