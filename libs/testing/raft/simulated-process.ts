import type { MembershipOutcome, TransferOutcome } from '@streamline/core/raft/effects';
import type { MembershipChange } from '@streamline/core/raft/inputs';
import type { Message, RefusalReason } from '@streamline/core/raft/messages';
import type { Configuration, Proposal, RaftConfig, RaftStatus, VoterId } from '@streamline/core/raft/types';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ClusterGhost } from './cluster-ghost';
import type { SimulationCounters } from './counters';
import type { EventQueue } from './event-queue';
import type { Applied, SessionLimits } from './key-machine';
import type { NodeClock } from './node-clock';

/** `applied`: of each proposal. `unknown`: they may take effect or not; ask again with the same ids. */
export type ProposeReply =
  | { readonly kind: 'applied'; readonly firstIndex: number; readonly applied: readonly Applied[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly reason: RefusalReason | 'too-large' };

export type ReadReply =
  { readonly kind: 'value'; readonly value: string } | { readonly kind: 'refused'; readonly reason: RefusalReason };

/**
 * A process under test, as the simulation drives it: one start of a node. Answers come at most once, and never after the end of
 * the process; whoever asks keeps a deadline.
 */
export interface SimulatedProcess {
  readonly id: VoterId;
  /** Undefined until the first turn. */
  readonly status: RaftStatus | undefined;
  receive(message: Message): void;
  peerRefused(peer: VoterId): void;
  peerUnreachable(peer: VoterId): void;
  propose(proposals: readonly Proposal[], forward: boolean, done: (reply: ProposeReply) => void): void;
  /** Linearizable. */
  read(key: string, done: (reply: ReadReply) => void): void;
  transfer(to: VoterId | undefined, done: (outcome: TransferOutcome) => void): void;
  changeMembership(changes: readonly MembershipChange[], done: (outcome: MembershipOutcome) => void): void;
  /** SIGSTOP and SIGCONT: nothing is processed meanwhile, the clock goes on. */
  pause(): void;
  resume(): void;
  /** Ends in the middle of the next turn that has more than `afterEffects` effects. */
  crashAfter(afterEffects: number): void;
  /** Nothing happens in it from now on. */
  end(): void;
}

/** What outlives a process: a member's disk. */
export interface SimulatedDisk {
  /** The process is gone, or the power: what was not durable may be lost, in part or whole. */
  crash(how: 'kill' | 'power'): void;
  /** Turns a bit of acknowledged data over; false where there is none yet. */
  flipBit(): boolean;
  /** Writes take so much longer. */
  slowDown(factor: number): void;
  /** The next write fails, which ends the process (J-9). */
  failNextWrite(): void;
  /** Nothing is slow and nothing fails from now on. */
  heal(): void;
}

/** What the simulation gives to a process. */
export interface ProcessHost {
  readonly id: VoterId;
  readonly bootstrap: Configuration;
  readonly config: RaftConfig;
  readonly sessionLimits: SessionLimits;
  readonly snapshotFillerBytes: number;
  readonly events: EventQueue;
  readonly clock: NodeClock;
  readonly random: SeededRandom;
  readonly ghost: ClusterGhost;
  readonly counters: SimulationCounters;
  send(message: Message): void;
  /** The process ends by itself: a failed write, or a crash in the middle of a turn. */
  exited(how: 'kill' | 'power'): void;
  /** It found out, at its start or later, that its disk is damaged. */
  refused(): void;
  /** Something is wrong that must not be. */
  broken(error: unknown): void;
}

/** The kind of node that a simulation runs: the core on a modelled storage, or all that is shipped. */
export interface NodeKind {
  readonly name: string;
  /** A transport that does not look at directory ids; a sound one does. */
  readonly carriesByNodeId?: boolean;
  /** What never happens to it, or so seldom that its absence says nothing: every other zero does. */
  readonly neverCounts: readonly (keyof SimulationCounters)[];
  /** Its processes go on in microtasks: the simulation waits for them after each event. */
  readonly isAsynchronous?: boolean;
  format(random: SeededRandom, counters: SimulationCounters, events: EventQueue): SimulatedDisk;
  /** `refused`: the disk is damaged, and the node will not start from it. */
  start(disk: SimulatedDisk, host: ProcessHost): SimulatedProcess | 'refused';
}
