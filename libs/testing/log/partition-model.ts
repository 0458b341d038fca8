import type { LogConfig } from '@streamline/core/log/log-config';
import type { PartitionKey, PartitionLog } from '@streamline/runtime/log/log-engine';

/** A batch that was handed to a log and took a place in it. */
export interface SentBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly epoch: number;
  /** As it stands in the log: base offset and epoch patched. */
  readonly bytes: Buffer;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** The weakest durability that was asked for between sending it and its acknowledgement. */
  mode: 'fsync' | 'page-cache';
  acked: 'no' | 'written' | 'durable';
}

/** One life of a partition, from its opening to its deletion, as its clients know it. */
export class PartitionLife {
  batches: SentBatch[] = [];
  /** Batches that a truncation removed which is not durable yet, in the order of the log they stood in. */
  buried: SentBatch[] = [];
  /** Acknowledged by advanceLogStart. */
  ackedStart = 0;
  /** Asked for, by DeleteRecords or retention. */
  maxStart = 0;
  /** A truncation makes a log look at its batches again: what retention had removed by then, its producers may not remember. */
  rememberedFrom = 0;
  deletion: 'no' | 'asked' | 'done' = 'no';
  truncating = false;

  constructor(
    readonly log: PartitionLog,
    public config: LogConfig,
  ) {}

  get hasAcked(): boolean {
    return this.batches.some((batch) => batch.acked !== 'no');
  }

  /** The log's stable end moved. */
  stable(): void {
    const end = this.log.stableEndOffset;
    for (let at = this.batches.length - 1; at >= 0; at -= 1) {
      const batch = this.batches[at];
      if (batch === undefined || batch.lastOffset >= end) continue;
      if (batch.mode === 'fsync') {
        this.allDurable(at);
        break;
      }
      if (batch.acked !== 'no') break;
      batch.acked = 'written';
    }
  }

  /** An fsync batch is durable, and with it everything before it (P-3). */
  private allDurable(upTo: number): void {
    for (let at = upTo; at >= 0; at -= 1) {
      const batch = this.batches[at];
      if (batch === undefined || batch.acked === 'durable') return;
      batch.acked = 'durable';
    }
  }

  observeStart(): void {
    this.maxStart = Math.max(this.maxStart, this.log.logStartOffset);
  }
}

/** All lives of one partition that may still be on the disk, the newest last. */
export class PartitionModel {
  lives: PartitionLife[] = [];

  constructor(readonly key: PartitionKey) {}

  get current(): PartitionLife | undefined {
    const last = this.lives.at(-1);
    return last?.deletion === 'no' ? last : undefined;
  }
}
