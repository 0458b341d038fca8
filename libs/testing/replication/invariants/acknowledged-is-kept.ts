import { Violation } from '@streamline/testing/raft/violation';
import type { ModelBatch } from '../model-log';
import type { Observer, SeenReplica } from '../observer';
import { isSame, tell } from '../truth';
import type { Truth } from '../truth';

interface Acknowledged {
  readonly batch: ModelBatch;
  /** Of the leader that acknowledged it. */
  readonly leaderEpoch: number;
}

/** What acks=all acknowledged is in the log of every later leader, at its offset (RELIABILITY: lost-write). */
export class AcknowledgedIsKept implements Observer {
  readonly #acknowledged = new Map<number, Map<number, Acknowledged>>();

  constructor(private readonly truth: Truth) {}

  acknowledged({ partition, log, core }: SeenReplica, batch: ModelBatch, requiredAcks: number): void {
    if (requiredAcks !== -1) return;
    const inLog = log.batchAt(batch.baseOffset);
    if (inLog === undefined && batch.lastOffset < log.startOffset) return;
    if (inLog?.id !== batch.id) {
      if (this.truth.of(partition).isTainted) return;
      throw new Violation('acknowledged-is-kept', `${tell(batch)} is acknowledged and is not in the log of its leader`);
    }
    let known = this.#acknowledged.get(partition);
    if (known === undefined) this.#acknowledged.set(partition, (known = new Map()));
    known.set(batch.baseOffset, { batch: inLog, leaderEpoch: core.leaderEpoch });
  }

  leads(replica: SeenReplica, leaderEpoch: number): void {
    this.check(replica, `leads epoch ${leaderEpoch}`, leaderEpoch);
  }

  /** @param leaderEpoch one that was elected for it may hear of that only now; what was acknowledged later is no concern of it */
  check({ broker, partition, log }: SeenReplica, what: string, leaderEpoch = Infinity): void {
    const { isTainted, deletedEnd } = this.truth.of(partition);
    if (isTainted) return;
    for (const { batch, leaderEpoch: acknowledgedIn } of this.#acknowledged.get(partition)?.values() ?? []) {
      if (acknowledgedIn > leaderEpoch || batch.lastOffset < Math.max(log.startOffset, deletedEnd)) continue;
      if (isSame(log.batchAt(batch.baseOffset), batch)) continue;
      throw new Violation('acknowledged-is-kept', `broker ${broker} ${what} without ${tell(batch)}, which was acknowledged`);
    }
  }
}
