import { DATA_TOPIC } from './client-world';
import type { DataInvariant, Leadership } from './truth';

interface Deletion {
  /** What is before it was deleted, and whoever asked was told so. */
  readonly offset: number;
  /** Brokers that have done it: the leader, and followers that were alive. */
  readonly nodeIds: ReadonlySet<number>;
}

/**
 * What was deleted, and who never gives it to anybody again, whatever becomes of it (REPL-13). Somebody who was away may lead later, and has
 * it still: nothing is promised then, as in Kafka.
 */
export class Deletions implements DataInvariant {
  readonly #deletions = new Map<number, readonly Deletion[]>();
  readonly #toldStarts = new Map<number, number>();

  constructor(private readonly undone: () => void) {}

  done(place: number, deletion: Deletion): void {
    this.#deletions.set(place, [...this.#of(place), deletion]);
  }

  /** The least offset that this broker may give to whoever asks from now on. */
  floor(place: number, nodeId: number): number {
    return Math.max(0, ...this.#of(place).flatMap(({ offset, nodeIds }) => (nodeIds.has(nodeId) ? [offset] : [])));
  }

  /** A reader was told that the log begins there. */
  told(place: number, startOffset: number): void {
    this.#toldStarts.set(place, Math.max(this.toldStart(place), startOffset));
  }

  /** Readers have gone past what is before it, which another leader may have still: it had not heard of the deletion. */
  toldStart(place: number): number {
    return this.#toldStarts.get(place) ?? 0;
  }

  leads({ topicName, key: { partition: place }, storage }: Leadership): void {
    if (topicName !== DATA_TOPIC) return;
    const before = this.#of(place);
    const after = before.filter(({ nodeIds }) => nodeIds.has(storage.process.nodeId));
    if (after.length === before.length) return;
    this.#deletions.set(place, after);
    this.undone();
  }

  lost(place: number): void {
    this.#deletions.delete(place);
  }

  #of(place: number): readonly Deletion[] {
    return this.#deletions.get(place) ?? [];
  }
}
