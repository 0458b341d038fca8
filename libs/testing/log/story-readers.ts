import type { Offset } from '@streamline/core/types/ids';
import type { ReadResult } from '@streamline/runtime/log/log-engine';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import { LogViolation } from './log-verifier';
import type { PartitionLife, SentBatch } from './partition-model';

/** Results that consumers still have, since their sockets are slow. */
const HELD_MAX = 6;

interface Held {
  readonly result: ReadResult;
  readonly expected: Buffer;
}

/** Consumers of a story: what they are given is what was appended, and stays that as long as they keep it. */
export class StoryReaders {
  private held: Held[] = [];

  /** Reads somewhere in a partition; returns how many reads were looked at: those that end at once, which are not bound to the disk. */
  read(life: PartitionLife | undefined, random: SeededRandom): number {
    if (life === undefined || life.truncating || life.batches.length === 0 || life.log.offlineReason !== undefined) return 0;
    const { log } = life;
    const first = random.integer(0, life.batches.length - 1);
    const from = life.batches[first]?.baseOffset ?? 0;
    if (from < log.logStartOffset) return 0;
    const maxBytes = random.pick([1, 1_000, 20_000]);
    const result = log.read(from as Offset, { maxBytes, minOneBatch: true, upTo: log.logEndOffset });
    const asked = life.batches.slice(first);
    if (!(result instanceof Promise)) {
      if (result.bytes === 0) throw new LogViolation(`nothing is read at ${from}, below the end ${log.logEndOffset}: lost`);
      this.keep(result, asked);
      this.check();
      return 1;
    }
    result.then(
      (late) => {
        // A truncation or deletion meanwhile may have been seen or not.
        const isSame = asked.every((batch, at) => life.batches[first + at] === batch);
        if (isSame && !life.truncating && life.deletion === 'no') this.keep(late, asked);
      },
      // Whether the log is there for good is the verifier's business.
      () => undefined,
    );
    return 0;
  }

  private keep(result: ReadResult, asked: readonly SentBatch[]): void {
    const expected = Buffer.concat(asked.map((batch) => batch.bytes)).subarray(0, result.bytes);
    this.held = [...this.held, { result, expected }].slice(-HELD_MAX);
  }

  /** @throws LogViolation where somebody's bytes are not what they were */
  check(): void {
    for (const { result, expected } of this.held) {
      if (!Buffer.concat(result.chunks).equals(expected)) throw new LogViolation('bytes that a consumer has are changed');
    }
  }

  /** The process is gone, and its consumers' connections with it. */
  forget(): void {
    this.held = [];
  }
}
