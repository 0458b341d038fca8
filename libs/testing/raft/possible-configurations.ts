import type { Configuration, VoterId } from '@streamline/core/raft/types';
import { ClusterGhost } from './cluster-ghost';

/**
 * Whether every configuration that is, or may come, in force keeps a majority of disks without this one; also where it has asked
 * to become a voter, and nobody could tell that it is lost until it is one.
 */
export function canLoseDisk(ghost: ClusterGhost, lost: VoterId, standing?: 'may become a voter'): boolean {
  const isLeft = (id: VoterId): boolean => id !== lost && ghost.members.get(id)?.isIntact === true;
  return possibleConfigurations(ghost).every((configuration) => {
    const { voters } = configuration;
    const isPromoted = standing !== undefined && !voters.includes(lost);
    return (
      ClusterGhost.isQuorum(configuration, isLeft) &&
      (!isPromoted || ClusterGhost.isQuorum({ ...configuration, voters: [...voters, lost] }, isLeft))
    );
  });
}

/** The last committed one, and those that may follow it. */
function possibleConfigurations(ghost: ClusterGhost): readonly Configuration[] {
  const last = ghost.committed.findLast(({ entry }) => entry.configuration !== undefined)?.entry;
  const from = last?.index ?? 0;
  const found = new Set<Configuration>(last?.configuration === undefined ? [] : [last.configuration]);
  for (const { isIntact, log, durableLog, pending } of ghost.members.values()) {
    if (!isIntact) continue;
    for (const placed of [log.configuration, durableLog.configuration]) {
      if (placed.index >= from && placed.configuration.voters.length > 0) found.add(placed.configuration);
    }
    for (const { entries } of pending) {
      for (const { configuration } of entries) if (configuration !== undefined) found.add(configuration);
    }
  }
  return [...found];
}
