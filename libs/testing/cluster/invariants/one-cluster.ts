import type { RaftInit, VoterId } from '@streamline/core/raft/types';
import type { ClusterGhost } from '@streamline/testing/raft/cluster-ghost';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

/** Never two clusters out of seed lists that name each other (FORM-2, FORM-3): one directory bootstraps, and no other. */
export class OneCluster implements MetadataInvariant {
  #first: VoterId | undefined;

  starts(id: VoterId, { bootstrap, log, hardState }: RaftInit, ghost: ClusterGhost): void {
    const begins = bootstrap.voters.length > 0 && log.lastIndex === 0 && hardState.term === 0;
    if (!begins) return;
    // Whoever began one and lost it before anything of it was durable may begin again, and so may another then.
    const before = this.#first === undefined ? undefined : ghost.members.get(this.#first);
    const isLost =
      before === undefined || (ghost.committed.length === 0 && !before.isRunning && before.durableHardState.term === 0);
    if (this.#first !== undefined && this.#first !== id && !isLost) {
      throw new Violation('one-cluster', `${id} begins a cluster beside that of ${this.#first}`);
    }
    this.#first = id;
  }
}
