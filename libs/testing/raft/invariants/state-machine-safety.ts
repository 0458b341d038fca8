import type { RaftInit } from '@streamline/core/raft/types';
import type { ClusterGhost, CommittedEntry, Invariant, MemberGhost, SeenState } from '../cluster-ghost';
import { KeyMachine } from '../key-machine';
import type { SessionLimits } from '../key-machine';
import { sameEntry } from '../same-entry';
import { Violation } from '../violation';

/**
 * State machine safety (paper figure 3): every node applies the same entry at an index, and is in the same state after it,
 * whether it came there by entries, by a snapshot or by a restart. The reference applies each entry once, as it is committed.
 */
export class StateMachineSafety implements Invariant {
  readonly #reference: KeyMachine;
  /** Digest of the state after each index. */
  readonly #digests: number[];

  constructor(
    private readonly cluster: ClusterGhost,
    limits: SessionLimits,
  ) {
    this.#reference = new KeyMachine(limits);
    this.#digests = [this.#reference.digest];
  }

  committed({ entry }: CommittedEntry): void {
    this.#reference.apply(entry);
    this.#digests[entry.index] = this.#reference.digest;
  }

  started({ id }: MemberGhost, { appliedIndex }: RaftInit, digest: number): void {
    if (digest === this.#digests[appliedIndex]) return;
    throw new Violation('state-machine-safety', `${id} starts in another state than the others had at ${appliedIndex}`);
  }

  state({ member, index, entry, digest }: SeenState): void {
    const known = this.cluster.committed[index - 1]?.entry;
    if (entry !== undefined && (known === undefined || !sameEntry(entry, known))) {
      throw new Violation('state-machine-safety', `${member.id} applies another entry at ${index} than the cluster committed`);
    }
    if (digest !== this.#digests[index]) {
      const how = entry === undefined ? 'a snapshot' : 'the entry';
      throw new Violation('state-machine-safety', `${member.id} is in another state than the others after ${how} at ${index}`);
    }
  }
}
