import { stableEnd } from '@streamline/core/replication/types';
import type { NodeId } from '@streamline/core/types/ids';
import { Violation } from '@streamline/testing/raft/violation';
import type { ControllerModel } from '../controller-model';
import type { Machine } from '../machine';
import type { ModelBatch } from '../model-log';
import type { Observer, SeenReplica } from '../observer';
import { tell } from '../truth';
import type { Truth } from '../truth';

/** How long after a loss a leader may not have heard of it. */
const UNHEARD_MS = 3_000;

/** acks=all is answered when at least min(min.insync.replicas, replicas) brokers have the batch as the partition's durability asks. */
export class EnoughReplicas implements Observer {
  constructor(
    private readonly truth: Truth,
    private readonly controller: ControllerModel,
    private readonly machines: readonly Machine[],
    private readonly nowMs: () => number,
  ) {}

  acknowledged({ partition, core, log }: SeenReplica, batch: ModelBatch, requiredAcks: number): void {
    if (requiredAcks !== -1 || this.truth.of(partition).isTainted) return;
    if (batch.lastOffset >= core.highWatermark) throw new Violation('enough-replicas', `${tell(batch)} is not committed`);
    if (batch.lastOffset < Math.max(log.startOffset, this.truth.of(partition).deletedEnd)) return;
    const durability = this.controller.rules[partition]?.durability ?? 'fsync';
    const holders = this.machines.filter(({ logs, lastLossMs }) => {
      const theirs = logs.get(partition);
      if (this.nowMs() - lastLossMs < UNHEARD_MS) return true;
      if (theirs === undefined || stableEnd(durability, theirs) <= batch.lastOffset) return false;
      return theirs.batchAt(batch.baseOffset)?.id === batch.id;
    });
    // What a reassignment dropped was complete, and is deleted by now, also where it is to be a replica again.
    const { replicas = [], adding = [], isr = [] } = this.controller.image.partitions[partition] ?? {};
    const isReplica = (id: NodeId): boolean => replicas.includes(id) && (!adding.includes(id) || isr.includes(id));
    const dropped = core.followers.filter(({ id }) => !isReplica(id)).length;
    const needed = Math.min(this.controller.effectiveMinIsr(partition), core.followers.length + 1) - dropped;
    if (holders.length >= needed) return;
    throw new Violation(
      'enough-replicas',
      `${tell(batch)} is acknowledged with ${holders.length} of ${needed} replicas that have it: ${this.#describe(partition, batch)}`,
    );
  }

  #describe(partition: number, { baseOffset }: ModelBatch): string {
    const told = this.machines.map(({ id, logs }) => {
      const log = logs.get(partition);
      const there = log?.batchAt(baseOffset);
      const ends =
        log === undefined
          ? 'no log'
          : `${log.startOffset}-${log.endOffset} written ${log.writtenEndOffset} durable ${log.durableEndOffset}`;
      return `${id} ${ends}${there === undefined ? '' : ` with ${tell(there)}`}`;
    });
    return told.join(', ');
  }
}
