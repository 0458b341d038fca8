import { crc32c } from '@node-rs/crc32';
import { BatchField } from '@streamline/wire/records/batch-header';
import type { ReadBatch } from '../broker';

/** A batch that a producer sent: at most once, or until it was acknowledged where the producer is idempotent. */
export interface SentBatch {
  readonly topic: string;
  readonly partition: number;
  readonly producer: string;
  /** Grows with each batch of the producer to this partition. */
  readonly number: number;
  readonly bytes: Buffer;
  /** Where it was acknowledged; undefined while it is not known to be there. */
  acknowledgedAt?: number;
}

/** What one look at a partition's log showed to be wrong, in words; none of them may ever be said. */
export type Violation = string;

/** The part of a batch that a broker leaves alone: what its CRC covers. */
function identityOf(bytes: Buffer): string {
  return bytes.subarray(BatchField.attributes).toString('latin1');
}

function placeOf({ topic, partition }: Pick<SentBatch, 'topic' | 'partition'>): string {
  return `${topic}-${partition}`;
}

/**
 * Remembers what was sent and what was acknowledged, and compares it with what is in the log. Every batch has bytes of its
 * own, so that it can be told from every other.
 */
export class Oracle {
  private readonly sent = new Map<string, Map<string, SentBatch>>();
  /** Below these, acknowledged batches may be gone. */
  private readonly allowedStarts = new Map<string, number>();
  acknowledgedCount = 0;
  sentCount = 0;

  recordSent(batch: SentBatch): void {
    const place = placeOf(batch);
    const known = this.sent.get(place) ?? new Map<string, SentBatch>();
    this.sent.set(place, known.set(identityOf(batch.bytes), batch));
    this.sentCount += 1;
  }

  recordAcknowledged(batch: SentBatch, baseOffset: number): void {
    batch.acknowledgedAt = baseOffset;
    this.acknowledgedCount += 1;
  }

  /** Records below `offset` may be deleted from now on. */
  allowStart(topic: string, partition: number, offset: number): void {
    this.allowedStarts.set(placeOf({ topic, partition }), offset);
  }

  allowedStart(topic: string, partition: number): number {
    return this.allowedStarts.get(placeOf({ topic, partition })) ?? 0;
  }

  /** Compares a whole partition as it was read, from its start to its high watermark, while nobody writes. */
  check(topic: string, partition: number, log: readonly ReadBatch[]): Violation[] {
    const place = placeOf({ topic, partition });
    const sent = this.sent.get(place) ?? new Map<string, SentBatch>();
    const violations: Violation[] = [];
    const seen = new Map<SentBatch, number>();
    const lastNumbers = new Map<string, number>();
    let nextOffset = log[0]?.header.baseOffset ?? 0;
    for (const { header, bytes } of log) {
      const at = `${place} at ${header.baseOffset}`;
      if (header.baseOffset !== nextOffset) violations.push(`${at}: ${nextOffset} was next`);
      nextOffset = header.baseOffset + header.lastOffsetDelta + 1;
      if (crc32c(bytes.subarray(BatchField.attributes)) !== header.crc) violations.push(`${at}: the CRC is wrong`);
      const batch = sent.get(identityOf(bytes));
      if (!batch) {
        violations.push(`${at}: this was never sent`);
        continue;
      }
      const who = `${batch.producer} #${batch.number}`;
      if (seen.has(batch)) violations.push(`${at}: ${who} is there twice, first at ${seen.get(batch)}`);
      seen.set(batch, header.baseOffset);
      if (batch.acknowledgedAt !== undefined && batch.acknowledgedAt !== header.baseOffset)
        violations.push(`${at}: ${who} was acknowledged at ${batch.acknowledgedAt}`);
      if ((lastNumbers.get(batch.producer) ?? -1) > batch.number) violations.push(`${at}: ${who} is behind a later one`);
      lastNumbers.set(batch.producer, batch.number);
    }
    const allowedStart = this.allowedStart(topic, partition);
    for (const batch of sent.values()) {
      const { acknowledgedAt } = batch;
      if (acknowledgedAt !== undefined && acknowledgedAt >= allowedStart && !seen.has(batch))
        violations.push(`${place}: ${batch.producer} #${batch.number} was acknowledged at ${acknowledgedAt} and is gone`);
    }
    return violations;
  }
}
