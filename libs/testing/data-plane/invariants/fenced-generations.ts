import { Violation } from '@streamline/testing/raft/violation';
import type { SentCommit } from '../group-truth';

/** A commit of a generation is not taken once somebody was told of a later one (GROUP-2). */
export class FencedGenerations {
  readonly #newest = new Map<string, number>();

  newest(groupId: string): number {
    return this.#newest.get(groupId) ?? -1;
  }

  /** True: it is news. */
  synced(groupId: string, generation: number): boolean {
    if (generation <= this.newest(groupId)) return false;
    this.#newest.set(groupId, generation);
    return true;
  }

  committed({ groupId, place, offset, generation, newestGeneration }: SentCommit): void {
    if (generation < 0 || generation >= newestGeneration) return;
    const what = `${groupId}: ${offset} of ${place} is taken of generation ${generation}, come when there was ${newestGeneration}`;
    throw new Violation('fenced-generations', what);
  }
}
