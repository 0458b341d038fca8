import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { Configuration, VoterId } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterGhost } from '@streamline/testing/raft/cluster-ghost';
import { Violation } from '@streamline/testing/raft/violation';
import type { MetadataInvariant } from '../metadata-ghost';

/** A registration that was decided before the removal may come to the log behind it. */
const UNDER_WAY_MS = 30_000;

/**
 * A directory that was removed does not come back, as a member or as a broker, and only such a one is told that it was.
 */
export class RemovedStaysOut implements MetadataInvariant {
  readonly #removedMs = new Map<VoterId, number>();
  #members: readonly VoterId[] = [];

  constructor(
    private readonly nowMs: () => number,
    /** It has no data yet, or has asked to be let in when it had none and that is still under way. */
    private readonly isJoining: (id: VoterId) => boolean,
  ) {}

  get members(): readonly VoterId[] {
    return this.#members;
  }

  isRemoved(id: VoterId): boolean {
    return this.#removedMs.has(id);
  }

  configured({ members }: Configuration, index: number): void {
    const ids = members.map(({ id }) => id);
    for (const id of this.#members) if (!ids.includes(id) && !this.isJoining(id)) this.#removedMs.set(id, this.nowMs());
    const back = ids.find((id) => this.#removedMs.has(id));
    if (back !== undefined) throw new Violation('removed-stays-out', `${back} was removed and is a member again at ${index}`);
    this.#members = ids;
  }

  before(index: number, records: readonly MetadataRecord[]): void {
    for (const record of records) {
      if (record.kind !== 'registerBroker') continue;
      const sinceMs = this.#removedMs.get(voterId(record.brokerId, record.directoryId));
      if (sinceMs === undefined || this.nowMs() - sinceMs < UNDER_WAY_MS) continue;
      throw new Violation('removed-stays-out', `broker ${record.brokerId} of a removed member registers at ${index}`);
    }
  }

  toldRemoved(id: VoterId, ghost: ClusterGhost): void {
    if (!this.#members.includes(id)) return;
    throw new Violation('removed-stays-out', `${id} is told that it was removed, and is a member at ${ghost.commitIndex}`);
  }
}
