import type { MembershipChange } from '@streamline/core/raft/inputs';
import type { LogIndex, VoterId } from '@streamline/core/raft/types';
import { directoryIdOf, nodeIdOf } from '@streamline/core/raft/types';
import type { MetadataIndex, NodeId } from '@streamline/core/types/ids';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { DiskRaftStorage } from '../raft/disk-raft-storage';
import type { MembershipReply, RaftDriver, TransferReply } from '../raft/raft-driver';
import type { Applied } from '../raft/state-machine';
import type { ConsensusMembership } from './consensus-membership';
import type { LogMember, LogProgress, LogStatus, MetadataLog } from './metadata-log';
import { EntryTooLargeError, NotLeaderError } from './metadata-log';

/** A leader waits for its proposal as long as it leads: what it decides next stands on it. */
const PROPOSE_DEADLINE_MS = 24 * 3600 * 1000;
/** How long a leader that is told to wait does. */
const BUSY_MS = 10;

export interface RaftMetadataLogOptions {
  readonly clock: Clock;
  readonly nodeId: NodeId;
  /** What it shows to others: a driver of another machine's results will do. */
  readonly driver: Pick<RaftDriver<Applied>, keyof RaftDriver<Applied>>;
  readonly storage: DiskRaftStorage;
  readonly machine: { readonly snapshots: number };
}

/** The metadata log on Raft. */
export class RaftMetadataLog implements MetadataLog, ConsensusMembership {
  #isProposing = false;
  #isClosed = false;
  #lostLeadership: (() => void) | undefined;

  constructor(private readonly options: RaftMetadataLogOptions) {
    options.driver.onLeadership((leads) => {
      if (!leads) this.#lostLeadership?.();
    });
  }

  /** Snapshots that were begun since the start, for metrics. */
  get snapshots(): number {
    return this.options.machine.snapshots;
  }

  get status(): LogStatus {
    const { driver, nodeId } = this.options;
    const { nodeState, leaderId, term, commitIndex, configuration } = driver.status;
    const { voters, learners } = configuration.configuration;
    const isDown = driver.isStopped || this.#isClosed;
    return {
      nodeState: isDown ? 'Shutdown' : nodeState,
      nodeId,
      leaderId: isDown || leaderId === undefined ? undefined : nodeIdOf(leaderId),
      leaderAddress: isDown ? undefined : configuration.configuration.members.find(({ id }) => id === leaderId)?.address,
      term,
      committedIndex: commitIndex as MetadataIndex,
      voters: voters.map(nodeIdOf),
      learners: learners.map(nodeIdOf),
    };
  }

  members(): readonly LogMember[] {
    const { self, configuration, peers, lastIndex, nodeState } = this.options.driver.status;
    const { members, voters } = configuration.configuration;
    const progressOf = (id: VoterId): LogProgress | undefined => {
      if (nodeState !== 'Leader') return undefined;
      if (id === self) return { matchIndex: lastIndex, silentMs: 0 };
      const peer = peers.find((one) => one.id === id);
      return peer && { matchIndex: peer.matchIndex, silentMs: peer.silentMs };
    };
    return members
      .map(({ id, address, staysLearner = false }) => {
        const isVoter = voters.includes(id);
        const progress = progressOf(id);
        return { nodeId: nodeIdOf(id), directoryId: directoryIdOf(id), address, isVoter, staysLearner, progress };
      })
      .toSorted((one, other) => Number(other.isVoter) - Number(one.isVoter) || one.nodeId - other.nodeId);
  }

  get isChanging(): boolean {
    const { configuration, commitIndex } = this.options.driver.status;
    return configuration.index > commitIndex || configuration.configuration.outgoingVoters.length > 0;
  }

  get leads(): boolean {
    return this.options.driver.leads;
  }

  async changeMembership(changes: readonly MembershipChange[], deadlineMs: number): Promise<MembershipReply> {
    return this.options.driver.changeMembership(changes, { deadlineMs });
  }

  async transferLeadership(to: VoterId | undefined, deadlineMs: number): Promise<TransferReply> {
    return this.options.driver.transferLeadership(to, { deadlineMs });
  }

  async confirmLeadership(deadlineMs: number): Promise<boolean> {
    const { driver } = this.options;
    const { term } = driver.status;
    if (!driver.leads) return false;
    const { kind } = await driver.readIndex({ deadlineMs });
    // A read of who lost its leadership goes to its successor: that one's answer confirms nothing here.
    return kind === 'ready' && driver.leads && driver.status.term === term;
  }

  async propose(entries: readonly (readonly Uint8Array[])[]): Promise<MetadataIndex> {
    if (this.#isProposing) throw new Error('A proposal is under way: the controller has one writer');
    this.#isProposing = true;
    try {
      return await new Promise<MetadataIndex>((resolve, reject) => {
        this.#lostLeadership = () =>
          reject(this.options.driver.failure ?? new NotLeaderError('This controller leads no longer.'));
        this.#propose(entries).then((index) => resolve(index as MetadataIndex), reject);
      });
    } finally {
      this.#isProposing = false;
      this.#lostLeadership = undefined;
    }
  }

  onLeadership(listener: (leads: boolean) => void): void {
    this.options.driver.onLeadership(listener);
  }

  onFailure(listener: (error: Error) => void): void {
    this.options.driver.onFailure(listener);
  }

  /** What the image can no longer write (J-9). */
  fail(error: Error): void {
    this.options.driver.fail(error);
  }

  /** Leads no longer and hands nothing over, as where nobody is left to take it. It is to be closed next. */
  resign(): void {
    this.options.driver.kill();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.options.driver.close();
  }

  /** Resolves once this node leads, or has failed: for a voter without others. */
  whenLeading(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.options.driver.onLeadership((leads) => {
        if (leads) resolve();
      });
      this.options.driver.onFailure(reject);
    });
  }

  async #propose(entries: readonly (readonly Uint8Array[])[]): Promise<LogIndex> {
    const { driver } = this.options;
    const proposals = entries.map((records) => ({ records }));
    while (driver.leads) {
      const reply = await driver.propose(proposals, { deadlineMs: PROPOSE_DEADLINE_MS, forward: false });
      if (reply.kind === 'applied') return reply.firstIndex + reply.results.length - 1;
      if (reply.kind !== 'refused') break;
      if (reply.reason === 'too-large') throw new EntryTooLargeError('An entry is larger than the metadata log takes.');
      if (reply.reason !== 'busy') break;
      await this.#untilRoom();
    }
    throw new NotLeaderError('This controller does not lead, or leads no longer.');
  }

  /** Either the journal is full, which it tells, or too much waits for a majority. */
  #untilRoom(): Promise<void> {
    return new Promise((resolve) => {
      if (this.options.storage.isPressed) this.options.storage.onRoom(resolve);
      this.options.clock.schedule(BUSY_MS, resolve);
    });
  }
}
