import type { AlterPartitionEffect, ReplicaEffect } from '@streamline/core/replication/effects';
import type { PartitionState } from './controller-model';
import type { ReplicationCounters } from './counters';
import type { ModelBatch } from './model-log';
import type { Observer, SeenReplica } from './observer';

/** Counts what happens. */
export class Statistics implements Observer {
  constructor(private readonly counters: ReplicationCounters) {}

  effect({ core }: SeenReplica, effect: ReplicaEffect): void {
    const { counters } = this;
    if (effect.kind === 'send-hello') counters.hellos += 1;
    else if (effect.kind === 'suspend') counters.leadersCutOff += 1;
    else if (effect.kind === 'resume') counters.leadersBack += 1;
    else if (effect.kind === 'truncate') counters.truncations += 1;
    else if (effect.kind === 'start-at') counters.freshStarts += 1;
    else if (effect.kind === 'rebase') counters.rebases += 1;
    else if (effect.kind === 'raise-log-start') counters.logStartsMoved += 1;
    else if (effect.kind === 'high-watermark' && effect.isReset) counters.highWatermarkResets += 1;
    else if (effect.kind === 'send-push') {
      if (effect.push.endOffset === effect.push.previousOffset) counters.announcements += 1;
      else counters.pushes += 1;
    } else if (effect.kind === 'alter-partition') this.#proposal(core.leading?.committedIsr.length ?? 0, effect);
  }

  cut(_: SeenReplica, _keptEnd: number, lost: readonly ModelBatch[], kind: 'truncate' | 'start-at'): void {
    if (kind === 'truncate') this.counters.batchesTruncated += lost.length;
  }

  acknowledged(_: SeenReplica, { epoch }: ModelBatch, requiredAcks: number): void {
    this.counters[requiredAcks === -1 ? 'acknowledgedByAll' : 'acknowledgedByLeader'] += 1;
    if (epoch < 0) this.counters.duplicatesAnswered += 1;
  }

  changed(_: number, before: PartitionState, after: PartitionState): void {
    const { counters } = this;
    const isSameLeader = after.leaderEpoch === before.leaderEpoch;
    if (isSameLeader && after.isr.length < before.isr.length) counters.shrinks += 1;
    if (isSameLeader && after.isr.length > before.isr.length) counters.expands += 1;
    if (after.failed.length > before.failed.length) {
      counters.replicasFull += 1;
      if (before.leader !== undefined && after.failed.includes(before.leader)) counters.leadersHandedOver += 1;
    }
    if (after.failed.length < before.failed.length) counters.replicasWhole += 1;
    if (before.adding.length + before.removing.length > 0 && after.adding.length + after.removing.length === 0) {
      counters.reassignmentsDone += 1;
    }
    if (after.leader === undefined || isSameLeader) return;
    counters.elections += 1;
    if (before.isr.includes(after.leader)) return;
    if (before.elr.includes(after.leader)) counters.eligibleElections += 1;
    else if (before.lastKnownElr.includes(after.leader)) counters.lastLeaderElections += 1;
    else counters.uncleanElections += 1;
  }

  possibleLoss(): void {
    this.counters.possibleLosses += 1;
  }

  #proposal(committed: number, { newIsr }: AlterPartitionEffect): void {
    if (newIsr.length === committed) this.counters.withdrawals += 1;
  }
}
