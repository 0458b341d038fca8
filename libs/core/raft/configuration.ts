import { invariant } from './invariant';
import type { Configuration, LogIndex, PlacedConfiguration, VoterId } from './types';

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoingVoters.length > 0;
}

/** Votes and counts in either half. */
export function isVoter(configuration: Configuration, id: VoterId): boolean {
  return configuration.voters.includes(id) || configuration.outgoingVoters.includes(id);
}

/** The second entry of a joint change: what it was for, without the outgoing half. */
export function leaveJoint({ members, voters, learners }: Configuration): Configuration {
  return {
    members: members.filter(({ id }) => voters.includes(id) || learners.includes(id)),
    voters,
    outgoingVoters: [],
    learners,
  };
}

/**
 * The largest value that a majority of the voters has reached, of both majorities while the configuration is joint (paper
 * section 6, RAFT-11). Learners are not asked. -Infinity without voters.
 */
export function majorityValue({ voters, outgoingVoters }: Configuration, valueOf: (id: VoterId) => number): number {
  if (voters.length === 0) return -Infinity;
  const incoming = majorityOf(voters, valueOf);
  return outgoingVoters.length === 0 ? incoming : Math.min(incoming, majorityOf(outgoingVoters, valueOf));
}

/** This node is a majority by itself: there is nobody whom it has to ask or to make room for. */
export function decidesAlone(configuration: Configuration, self: VoterId): boolean {
  return majorityValue(configuration, (id) => (id === self ? 1 : 0)) === 1;
}

function majorityOf(voters: readonly VoterId[], valueOf: (id: VoterId) => number): number {
  const [only] = voters;
  if (voters.length === 1 && only !== undefined) return valueOf(only);
  const values = voters.map(valueOf).sort(descending);
  // The first floor(n/2)+1 values, a majority, are at least this one.
  return values[voters.length >> 1] ?? -Infinity;
}

function descending(left: number, right: number): number {
  return right - left;
}

/**
 * The configurations that the log holds, so that truncation brings the one before back into force (thesis 4.1). The first is
 * the one of the newest snapshot, or of the bootstrap.
 */
export class ConfigurationHistory {
  #placed: PlacedConfiguration[];

  constructor(first: PlacedConfiguration, later: readonly PlacedConfiguration[]) {
    this.#placed = [first, ...later.filter(({ index }) => index > first.index)];
  }

  /** In force at this node (RAFT-12). */
  get latest(): PlacedConfiguration {
    const latest = this.#placed[this.#placed.length - 1];
    if (latest === undefined) throw new RangeError('A configuration history is never empty');
    return latest;
  }

  /** In force for the state machine at `index`: what a snapshot there carries. */
  at(index: LogIndex): PlacedConfiguration {
    let found = this.#placed[0] ?? this.latest;
    invariant(found.index <= index, 'RAFT-12', 'the configuration of an index before all that are known', index, found.index);
    for (const placed of this.#placed) if (placed.index <= index) found = placed;
    return found;
  }

  append(placed: PlacedConfiguration): void {
    invariant(placed.index > this.latest.index, 'RAFT-12', 'configurations out of order', placed.index, this.latest.index);
    this.#placed.push(placed);
  }

  truncate(after: LogIndex): void {
    while (this.#placed.length > 1 && this.latest.index > after) this.#placed.pop();
  }

  /** Forgets what was in force before `index` only; nothing up to it is truncated any more. */
  compact(index: LogIndex): void {
    const first = this.at(index);
    this.#placed = this.#placed.filter((placed) => placed.index >= first.index);
  }

  reset(placed: PlacedConfiguration): void {
    this.#placed = [placed];
  }
}
