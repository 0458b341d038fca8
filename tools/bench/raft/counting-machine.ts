import { randomBytes } from 'node:crypto';
import type { Entry, LogIndex } from '@streamline/core/raft/types';
import type { Applied, StateMachine } from '@streamline/runtime/raft/state-machine';

const TOOK_EFFECT: Applied = { verdict: 'apply' };
const PIECE_BYTES = 64 * 1024;

/** Does next to nothing with entries, so that what is measured is Raft; a snapshot of it has as many bytes as one asks for. */
export class CountingMachine implements StateMachine<Applied> {
  #index: LogIndex = 0;
  /** Of the records that were applied. */
  bytes = 0;
  readonly #piece = randomBytes(PIECE_BYTES);

  constructor(
    private readonly stateBytes: number,
    private readonly onRestored: (index: LogIndex) => void = () => undefined,
  ) {}

  get appliedIndex(): LogIndex {
    return this.#index;
  }

  apply(entries: readonly Entry[]): readonly Applied[] {
    return entries.map((entry) => {
      for (const record of entry.records) this.bytes += record.length;
      this.#index = entry.index;
      return TOOK_EFFECT;
    });
  }

  *capture(): Iterable<Uint8Array> {
    yield this.#piece.subarray(0, 1);
    for (let left = this.stateBytes - 1; left > 0; left -= PIECE_BYTES)
      yield this.#piece.subarray(0, Math.min(left, PIECE_BYTES));
  }

  async restore(index: LogIndex, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    let count = 0;
    for await (const piece of bytes) count += piece.length;
    if (count !== Math.max(this.stateBytes, 1)) throw new Error(`a snapshot of ${count} bytes, not ${this.stateBytes}`);
    this.#index = index;
    this.onRestored(index);
  }
}
