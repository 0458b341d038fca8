import type { MetadataImage } from '@streamline/core/metadata/image';
import { VOTERS_MAX } from '@streamline/core/raft/limits';
import type { ClusterGhost } from '@streamline/testing/raft/cluster-ghost';
import type { ClusterMachine } from '../cluster-machine';

/**
 * What is not yet as it has to become where all is well: one leader that all follow, all machines members (voters, up to seven),
 * all brokers unfenced, all partitions led that can be, all images at the end of the log.
 */
export function whatLacks(machines: readonly ClusterMachine[], ghost: ClusterGhost, image: MetadataImage): string | undefined {
  const leaders = machines.filter(({ process }) => process?.leads === true);
  const [leader] = leaders;
  if (leader === undefined || leaders.length > 1) return leader === undefined ? 'nobody leads' : 'several lead';
  const { voters = [], outgoingVoters = [], members = [] } = leader.process?.status?.configuration.configuration ?? {};
  const outsider = machines.find(({ id }) => !members.some((member) => member.id === id));
  if (outsider !== undefined) return `${outsider.id} is not a member`;
  if (members.length > machines.length) return `there are members that are gone: ${members.map(({ id }) => id).join(' ')}`;
  if (outgoingVoters.length > 0) return 'the membership is changing';
  if (voters.length < Math.min(machines.length, VOTERS_MAX)) return `only ${voters.join(' ')} vote`;
  for (const machine of machines) {
    const lacks = lacksOf(machine, leader, ghost, image);
    if (lacks !== undefined) return `${machine.id} ${lacks}`;
  }
  for (const { name, partitions } of image.topics.values()) {
    const led = partitions.find(
      ({ leader: leads, isr }) => leads === undefined && isr.some((id) => image.brokers.get(id)?.fenced === false),
    );
    if (led !== undefined) return `nobody leads ${name}-${led.partition}, though ${led.isr.join()} is in its ISR`;
  }
  return undefined;
}

function lacksOf(
  { process }: ClusterMachine,
  leader: ClusterMachine,
  ghost: ClusterGhost,
  image: MetadataImage,
): string | undefined {
  if (process?.opened === undefined || process.isRemoved || process.isStopping) return 'does not take part';
  const { status, replica, broker, nodeId } = process;
  if (status?.leaderId !== leader.id) return `follows ${status?.leaderId ?? 'nobody'}`;
  if (replica?.image.index !== ghost.commitIndex) return `shows ${replica?.image.index} of ${ghost.commitIndex}`;
  if (broker?.isUnfencedIn(image.brokers) !== true || !broker.isServing)
    return `is broker ${image.brokers.get(nodeId)?.state ?? 'unknown'}`;
  return undefined;
}
