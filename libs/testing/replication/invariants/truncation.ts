import { Violation } from '@streamline/testing/raft/violation';
import type { ControllerModel } from '../controller-model';
import type { ModelBatch } from '../model-log';
import type { Observer, SeenReplica } from '../observer';
import { isSame, tell } from '../truth';
import type { Truth } from '../truth';

/**
 * Nobody who may be elected, and nobody under the leader of the day, cuts away what was committed, but for what was deleted for all
 * (KIP-101). Others may, who follow a leader that they do not know to be deposed: they copy it again before they join.
 */
export class Truncation implements Observer {
  constructor(
    private readonly truth: Truth,
    private readonly controller: ControllerModel,
  ) {}

  cut({ broker, partition, core }: SeenReplica, keptEnd: number, lost: readonly ModelBatch[]): void {
    const truth = this.truth.of(partition);
    const state = this.controller.image.partitions[partition];
    if (truth.isTainted || state === undefined) return;
    if (![...state.isr, ...state.elr].includes(broker) && core.leaderEpoch < state.leaderEpoch) return;
    for (const batch of lost) {
      if (batch.lastOffset < truth.deletedEnd || !isSame(truth.at(batch.baseOffset), batch)) continue;
      throw new Violation('truncation', `broker ${broker} cuts its log to ${keptEnd}, and ${tell(batch)} was committed`);
    }
  }
}
