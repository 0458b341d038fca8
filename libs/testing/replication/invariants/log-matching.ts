import { Violation } from '@streamline/testing/raft/violation';
import type { Machine } from '../machine';
import type { ModelLog } from '../model-log';
import type { Observer, SeenReplica } from '../observer';
import { isSame, tell } from '../truth';
import type { Truth } from '../truth';

/** Two logs that have a batch of one epoch at one offset have the same batch there, and the same before it. */
export class LogMatching implements Observer {
  constructor(
    private readonly truth: Truth,
    private readonly machines: readonly Machine[],
  ) {}

  leads({ partition, log, broker }: SeenReplica): void {
    this.checkAgainst(partition, broker, log);
  }

  checkAgainst(partition: number, broker: number, log: ModelLog): void {
    if (this.truth.of(partition).isTainted) return;
    for (const machine of this.machines) {
      const other = machine.logs.get(partition);
      if (other !== undefined && other !== log) this.#compare(`brokers ${broker} and ${machine.id}`, log, other);
    }
  }

  #compare(who: string, left: ModelLog, right: ModelLog): void {
    const theirs = new Map(right.batches.map((batch) => [`${batch.epoch}/${batch.baseOffset}`, batch]));
    const common = left.batches.findLastIndex(({ epoch, baseOffset }) => theirs.has(`${epoch}/${baseOffset}`));
    for (const ours of left.batches.slice(0, common + 1)) {
      if (ours.baseOffset < right.startOffset) continue;
      const other = theirs.get(`${ours.epoch}/${ours.baseOffset}`);
      if (isSame(ours, other)) continue;
      const what = other === undefined ? 'nothing of it' : tell(other);
      throw new Violation('log-matching', `${who} differ before a batch that they share: ${tell(ours)} and ${what}`);
    }
  }
}
