import { Violation } from '@streamline/testing/raft/violation';
import type { Observer, SeenReplica } from '../observer';
import type { Truth } from '../truth';

/** The high watermark of a replica never goes back, but for a leader that was elected uncleanly, and never passes its log. */
export class MonotonicHighWatermark implements Observer {
  constructor(private readonly truth: Truth) {}

  highWatermark({ broker, partition, core, log }: SeenReplica, before: number, after: number, isReset: boolean): void {
    const { isTainted, endOffset } = this.truth.of(partition);
    if (isTainted) return;
    if (isReset || after <= before) {
      throw new Violation('monotonic-high-watermark', `broker ${broker} takes it back from ${before} to ${after}`);
    }
    if (after > endOffset) {
      throw new Violation('monotonic-high-watermark', `broker ${broker} takes ${after} for committed, and nobody committed it`);
    }
    if (core.leading !== undefined && after > log.endOffset) {
      throw new Violation('monotonic-high-watermark', `broker ${broker} commits ${after} beyond its log's end`);
    }
  }
}
