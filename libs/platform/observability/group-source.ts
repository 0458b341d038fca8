import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { GroupCoordinators } from '@streamline/runtime/groups/group-coordinators';
import type { LogEngine } from '@streamline/runtime/log/log-engine';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { counter, gauge, type MetricFamily, type MetricSample, type MetricsSource } from './metric-family';

/** Committed offsets told one by one; above that only their number, so that a scrape stays bounded. */
const OFFSETS_TOLD_MAX = 20_000;

export interface GroupSourceOptions {
  readonly groups: Pick<GroupCoordinators, 'metrics' | 'committedOffsets'>;
  readonly engine: Pick<LogEngine, 'get'>;
  readonly replica: Pick<MetadataReplica, 'image'>;
}

/** How far each group is behind, and what the group coordinators of this node did. Read from memory, without their queues. */
export function groupSource(options: GroupSourceOptions): MetricsSource {
  return { collect: () => [...groupFamilies(options), gauge(LAG_NAME, LAG_HELP, lags(options))] };
}

const LAG_NAME = 'streamline_group_lag';
const LAG_HELP = 'Records between the committed offset and the end of the partition, where this node has it';

/** Of partitions whose end this node knows. A commit to a topic that was deleted and made again counts for the old one. */
function lags({ groups, engine, replica }: GroupSourceOptions): MetricSample[] {
  const { topicIdsByName } = replica.image;
  const endOf = (topic: string, committed: TopicId, partition: PartitionIndex): number | undefined => {
    const topicId = committed === ZERO_TOPIC_ID ? topicIdsByName.get(topic) : committed;
    return topicId === undefined ? undefined : engine.get({ topicId, partition })?.stableEndOffset;
  };
  const samples: MetricSample[] = [];
  for (const { groupId, topic, topicId, partition, offset } of groups.committedOffsets()) {
    if (samples.length >= OFFSETS_TOLD_MAX) break;
    const end = endOf(topic, topicId, partition);
    if (end === undefined) continue;
    samples.push({ labels: { group: groupId, topic, partition }, value: Math.max(0, end - offset) });
  }
  return samples;
}

function groupFamilies({ groups }: GroupSourceOptions): MetricFamily[] {
  const now = groups.metrics();
  const states = [...now.groupsByState].map(([state, value]) => ({ labels: { state }, value }));
  return [
    gauge('streamline_groups', 'Groups, by state', states),
    gauge('streamline_group_offsets', 'Committed offsets that are kept', now.committedNow),
    gauge('streamline_group_membership_bytes', 'Memory that the members of all groups take, about', now.membershipBytes),
    counter('streamline_group_offset_commits_total', 'Offsets committed', now.committedOffsets),
    counter('streamline_group_offset_expirations_total', 'Committed offsets that expired', now.expiredOffsets),
    counter('streamline_group_rebalances_total', 'Rebalances completed', now.completedRebalances),
    counter('streamline_group_loaded_records_total', 'Records read back from __consumer_offsets', now.loadedRecords),
    counter('streamline_group_rewrites_total', 'Times that a partition of __consumer_offsets was shortened', now.rewrittenLogs),
  ];
}
