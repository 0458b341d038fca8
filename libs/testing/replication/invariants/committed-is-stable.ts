import { stableEnd } from '@streamline/core/replication/types';
import { Violation } from '@streamline/testing/raft/violation';
import type { ControllerModel, PartitionState } from '../controller-model';
import type { Machine } from '../machine';
import type { Observer, SeenReplica } from '../observer';
import { isSame, tell } from '../truth';
import type { Truth } from '../truth';

/**
 * Everybody who may be elected, the ISR of the controller and the eligible replicas, has all that was ever committed on its disk as the
 * partition's durability asks. Not so a page cache that was lost, until the controller hears of it.
 */
export class CommittedIsStable implements Observer {
  constructor(
    private readonly truth: Truth,
    private readonly controller: ControllerModel,
    private readonly machines: readonly Machine[],
  ) {}

  /** Called after the truth has taken the new high watermark in. */
  highWatermark({ partition, core }: SeenReplica): void {
    const state = this.controller.image.partitions[partition];
    if (core.leading !== undefined && state !== undefined) this.#check(partition, [...state.isr, ...state.elr], 'is committed');
  }

  changed(partition: number, before: PartitionState, { isr, elr }: PartitionState): void {
    const added = [...isr, ...elr].filter((id) => !before.isr.includes(id) && !before.elr.includes(id));
    if (added.length > 0) this.#check(partition, added, 'was committed before it joined the ISR');
  }

  #check(partition: number, brokers: readonly number[], what: string): void {
    const { isTainted, committed, endOffset } = this.truth.of(partition);
    const last = committed[committed.length - 1];
    if (isTainted || last === undefined) return;
    const durability = this.controller.rules[partition]?.durability ?? 'fsync';
    for (const id of brokers) {
      const machine = this.machines[id - 1];
      const log = machine?.logs.get(partition);
      if (machine === undefined || machine.isUncertain) continue;
      const isThere = log !== undefined && (isSame(log.batchAt(last.baseOffset), last) || log.startOffset > last.lastOffset);
      if (isThere && stableEnd(durability, log) >= endOffset) continue;
      const end = log === undefined ? 'no log' : `a log with ${stableEnd(durability, log)} stable`;
      throw new Violation('committed-is-stable', `${tell(last)} ${what}; broker ${id}, which may be elected, has ${end}`);
    }
  }
}
