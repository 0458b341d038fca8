import { Violation } from '@streamline/testing/raft/violation';
import type { ModelBatch } from '../model-log';
import type { Observer, SeenReplica } from '../observer';
import { isSame, tell } from '../truth';
import type { Truth } from '../truth';

/** A consumer sees committed records only, the same at an offset from whoever it asks (inconsistent-offsets, aborted reads). */
export class OneValue implements Observer {
  constructor(private readonly truth: Truth) {}

  consumed({ broker, partition }: SeenReplica, batch: ModelBatch): void {
    const truth = this.truth.of(partition);
    if (truth.isTainted || batch.lastOffset < truth.deletedEnd) return;
    const committed = truth.at(batch.baseOffset);
    if (isSame(committed, batch)) return;
    const other = committed === undefined ? 'nothing is' : `${tell(committed)} is`;
    throw new Violation('one-value', `broker ${broker} gives ${tell(batch)} to a consumer, where ${other} committed`);
  }
}
