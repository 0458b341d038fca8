import type { GroupPort } from '@streamline/wire/contracts/ports';
import { gauge, type MetricFamily, type MetricSample, type MetricsSource } from './metric-family';

/** Groups whose offsets are looked at in one scrape; more are counted only. */
const GROUPS_TOLD_MAX = 500;

type Groups = Pick<GroupPort, 'listGroups' | 'fetchOffsets'>;

/** The end of a partition, as its consumers see it; undefined where this node does not know it. */
export type EndOffsetOf = (topic: string, partition: number) => number | undefined;

async function groupLag(groups: Groups, groupId: string, endOffsetOf: EndOffsetOf): Promise<MetricSample[]> {
  const fetched = await groups.fetchOffsets({
    groupId,
    topics: [],
    allTopics: true,
    requireStable: false,
    memberId: '',
    memberEpoch: -1,
  });
  return fetched.offsets.flatMap(({ topic, partition, offset, errorCode }) => {
    const end = errorCode === 0 && offset >= 0 ? endOffsetOf(topic, partition) : undefined;
    return end === undefined ? [] : [{ labels: { group: groupId, topic, partition }, value: Math.max(0, end - offset) }];
  });
}

/** How far each group is behind, and how many groups are in which state. */
export function groupSource(groups: Groups, endOffsetOf: EndOffsetOf): MetricsSource {
  return {
    collect: async (): Promise<MetricFamily[]> => {
      const listed = (await groups.listGroups({ states: [], types: [] })).groups;
      const states = new Map<string, number>();
      for (const { state } of listed) states.set(state, (states.get(state) ?? 0) + 1);
      const lag: MetricSample[] = [];
      for (const { groupId } of listed.slice(0, GROUPS_TOLD_MAX)) lag.push(...(await groupLag(groups, groupId, endOffsetOf)));
      return [
        gauge('streamline_group_lag', 'Records between the committed offset and the end of the partition', lag),
        gauge(
          'streamline_groups',
          'Consumer groups, by state',
          [...states].map(([state, value]) => ({ labels: { state }, value })),
        ),
      ];
    },
  };
}
