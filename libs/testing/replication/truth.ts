import type { ModelBatch } from './model-log';
import type { Observer, SeenReplica } from './observer';

/** What is committed, as somebody who sees everything knows it: what lay below the high watermark of whoever led then. */
export class Truth implements Observer {
  readonly #partitions = new Map<number, PartitionTruth>();

  of(partition: number): PartitionTruth {
    let truth = this.#partitions.get(partition);
    if (truth === undefined) this.#partitions.set(partition, (truth = new PartitionTruth()));
    return truth;
  }

  /** Called before the effect is carried out. */
  highWatermark({ partition, core, log }: SeenReplica, _before: number, after: number): void {
    if (core.leading !== undefined) this.of(partition).commit(log.batches, after);
  }

  possibleLoss(partition: number): void {
    this.of(partition).isTainted = true;
  }
}

export class PartitionTruth {
  /** By base offset, without those that were deleted before they were seen. */
  readonly committed: ModelBatch[] = [];
  readonly #byBaseOffset = new Map<number, ModelBatch>();
  endOffset = 0;
  /** Everything before it may have been deleted. */
  deletedEnd = 0;
  /** Acknowledged records may be gone, and this was told: nothing is promised any more. */
  isTainted = false;

  commit(batches: readonly ModelBatch[], end: number): void {
    if (end <= this.endOffset) return;
    const first = batches.findLastIndex(({ lastOffset }) => lastOffset < this.endOffset) + 1;
    for (let at = first; at < batches.length; at += 1) {
      const batch = batches[at];
      if (batch === undefined || batch.lastOffset >= end) break;
      this.committed.push(batch);
      this.#byBaseOffset.set(batch.baseOffset, batch);
    }
    this.endOffset = end;
  }

  /** The batch that begins at the offset. */
  at(baseOffset: number): ModelBatch | undefined {
    return this.#byBaseOffset.get(baseOffset);
  }
}

export function isSame(a: ModelBatch | undefined, b: ModelBatch | undefined): boolean {
  return a !== undefined && b !== undefined && a.id === b.id && a.baseOffset === b.baseOffset && a.epoch === b.epoch;
}

export function tell({ id, baseOffset, lastOffset, epoch }: ModelBatch): string {
  return `batch ${id} at ${baseOffset}-${lastOffset} of epoch ${epoch}`;
}
