import { Violation } from '@streamline/testing/raft/violation';
import type { ModelBatch } from '../model-log';
import type { Observer, SeenReplica } from '../observer';
import { tell } from '../truth';
import type { Truth } from '../truth';

/**
 * A batch of an idempotent producer is committed once, and acknowledged with the offset at which it is (REPL-17). As in Kafka, a replica
 * that begins anew knows nothing of producers all of whose records were deleted.
 */
export class ExactlyOnce implements Observer {
  readonly #offsets = new Map<string, number>();
  readonly #seen = new Map<number, number>();

  constructor(private readonly truth: Truth) {}

  /** Called after the truth has taken the new high watermark in. */
  highWatermark({ partition }: SeenReplica): void {
    const { committed, isTainted, deletedEnd } = this.truth.of(partition);
    if (isTainted) return;
    for (let at = this.#seen.get(partition) ?? 0; at < committed.length; at += 1) {
      const batch = committed[at];
      if (batch === undefined || batch.producerId < 0) continue;
      const known = this.#offsets.get(`${partition}/${batch.id}`);
      if (known !== undefined && known >= deletedEnd)
        throw new Violation('exactly-once', `${tell(batch)} is committed at ${known} as well`);
      this.#offsets.set(`${partition}/${batch.id}`, batch.baseOffset);
    }
    this.#seen.set(partition, committed.length);
  }

  acknowledged({ partition }: SeenReplica, batch: ModelBatch, requiredAcks: number): void {
    const known = this.#offsets.get(`${partition}/${batch.id}`);
    if (requiredAcks !== -1 || batch.producerId < 0 || this.truth.of(partition).isTainted) return;
    if (known === batch.baseOffset) return;
    const where = known === undefined ? 'is not' : `is at ${known}`;
    throw new Violation('exactly-once', `${tell(batch)} is acknowledged, and ${where} committed`);
  }
}
