import type { Configuration, VoterId } from '@streamline/core/raft/types';
import type { Invariant, SeenStep } from '@streamline/testing/raft/cluster-ghost';
import type { ClusterCounters } from './counters';
import type { MetadataInvariant } from './metadata-ghost';

/** Counts what only the log and the cores know of. */
export class Statistics implements Invariant, MetadataInvariant {
  #voters: readonly VoterId[] = [];
  #members: readonly VoterId[] = [];

  constructor(private readonly counters: ClusterCounters) {}

  stepped({ effects }: SeenStep): void {
    for (const effect of effects) if (effect.kind === 'leadership' && effect.leads) this.counters.elections += 1;
  }

  configured({ members, voters }: Configuration): void {
    const { counters } = this;
    const ids = members.map(({ id }) => id);
    if (this.#members.length === 0) counters.clustersBegun += 1;
    else {
      counters.learnersAdded += ids.filter((id) => !this.#members.includes(id)).length;
      counters.promotions += voters.filter((id) => !this.#voters.includes(id)).length;
      counters.demotions += this.#voters.filter((id) => !voters.includes(id) && ids.includes(id)).length;
      counters.removals += this.#members.filter((id) => !ids.includes(id)).length;
      const nodeOf = (id: VoterId): string => id.slice(0, id.indexOf('@'));
      const isReplaced = (id: VoterId): boolean => !ids.includes(id) && ids.some((other) => nodeOf(other) === nodeOf(id));
      counters.wipedRejoins += this.#members.filter(isReplaced).length;
    }
    this.#voters = voters;
    this.#members = ids;
  }
}
