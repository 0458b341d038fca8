import type { Configuration, VoterId } from '@streamline/core/raft/types';
import { nodeIdOf } from '@streamline/core/raft/types';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

/** Who joins is a learner first, and a wiped node is another member than the one before: never both, never straight a voter. */
export class LearnersFirst implements MetadataInvariant {
  /** Of the committed configurations so far. */
  readonly #known = new Set<VoterId>();

  configured({ members, voters }: Configuration, index: number): void {
    const nodes = members.map(({ id }) => nodeIdOf(id));
    if (new Set(nodes).size !== nodes.length) {
      throw new Violation(
        'learners-first',
        `the configuration at ${index} has two members of one node: ${members.map(({ id }) => id).join(' ')}`,
      );
    }
    const newcomer = voters.find((id) => !this.#known.has(id));
    if (newcomer !== undefined && this.#known.size > 0) {
      throw new Violation('learners-first', `${newcomer} votes in the configuration at ${index} and was no learner before`);
    }
    for (const { id } of members) this.#known.add(id);
  }
}
