import type { Effect } from '@streamline/core/raft/effects';
import type { Input } from '@streamline/core/raft/inputs';
import type { RaftInit, RaftStatus } from '@streamline/core/raft/types';
import type { ClusterGhost, Invariant, MemberGhost, SeenStep } from './cluster-ghost';
import type { SimulationCounters } from './counters';

/** Counts what only the cores know of. */
export class Statistics implements Invariant {
  constructor(
    private readonly cluster: ClusterGhost,
    private readonly counters: SimulationCounters,
  ) {}

  started(_: MemberGhost, { log }: RaftInit): void {
    if (log.recentEntries.length > 0) this.counters.warmRestarts += 1;
  }

  stepped({ before, after, effects, inputs }: SeenStep): void {
    const isDeposed = after.nodeState === 'Leader' && this.cluster.hasLeaderAfter(after.term);
    for (const input of inputs) this.#input(input, isDeposed);
    for (const effect of effects) this.#effect(effect, after);
    if (before?.nodeState !== 'Candidate') return;
    const isStillCandidate = after.nodeState === 'Candidate';
    if (isStillCandidate && after.term > before.term && before.votedFor === before.self) this.counters.splitVotes += 1;
    if (!isStillCandidate && after.term === before.term && after.votedFor !== after.self) this.counters.preVotesOnly += 1;
  }

  #input(input: Input, isDeposed: boolean): void {
    const { counters } = this;
    switch (input.kind) {
      case 'propose':
        if (isDeposed) counters.proposalsAtDeposedLeaders += 1;
        break;
      case 'read-index':
        if (isDeposed) counters.readsAtDeposedLeaders += 1;
        break;
      case 'entries-read':
        counters.readsFromDisk += 1;
        if (input.entries.length === 0) counters.emptyReadsFromDisk += 1;
        break;
      case 'snapshot-taken':
        counters[input.taken ? 'snapshotsTaken' : 'snapshotsFailed'] += 1;
        break;
      case 'snapshot-chunk-written':
        if (!input.written) counters.snapshotChecksumFailures += 1;
        break;
      default:
        break;
    }
  }

  #effect(effect: Effect, after: RaftStatus): void {
    const { counters } = this;
    switch (effect.kind) {
      case 'leadership':
        if (effect.leads) counters.elections += 1;
        break;
      case 'persist':
        if (effect.truncateAfter !== undefined) counters.truncations += 1;
        if (effect.installSnapshot !== undefined) counters.snapshotsInstalled += 1;
        break;
      case 'purge':
        counters.purges += 1;
        break;
      case 'restore':
        counters.restores += 1;
        break;
      case 'drop-snapshot':
        counters.snapshotTransfersDropped += 1;
        break;
      case 'propose-result':
        if (effect.outcome.kind === 'forwarded') counters.proposalsForwarded += 1;
        break;
      case 'read-result':
        if (effect.outcome.kind === 'ready' && after.nodeState !== 'Leader') counters.readsAtFollowers += 1;
        break;
      default:
        break;
    }
  }
}
