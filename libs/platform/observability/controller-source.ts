import type { MetadataImage } from '@streamline/core/metadata/image';
import type { LogStatus, NodeState } from '@streamline/runtime/controller/metadata-log';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { counter, gauge, type MetricsSource } from './metric-family';

const NODE_STATES: readonly NodeState[] = ['Leader', 'Follower', 'Candidate', 'Learner', 'Shutdown'];
const NOBODY = -1;

/** Of the status of a metadata log, what is counted here. */
export type CountedStatus = Pick<LogStatus, 'nodeState' | 'leaderId' | 'term' | 'committedIndex' | 'voters' | 'learners'>;

/** The controller's consensus (guide: committed against applied index, leader, node state) and what its metadata holds. */
export function controllerSource(
  log: { readonly status: CountedStatus },
  replica: Pick<MetadataReplica, 'image'>,
  /** Partitions with an unclean election by this controller, since its process began. */
  uncleanElections: () => number,
): MetricsSource {
  return {
    collect: () => {
      const { nodeState, leaderId, term, committedIndex, voters, learners } = log.status;
      const { image } = replica;
      const { partitions, leaderless, underReplicated, moving, failed } = countedPartitions(image);
      const states = NODE_STATES.map((state) => ({ labels: { state }, value: state === nodeState ? 1 : 0 }));
      const fenced = [...image.brokers.values()].filter((broker) => broker.fenced).length;
      return [
        gauge('streamline_controller_committed_index', 'Last committed index of the metadata log', committedIndex),
        gauge('streamline_controller_applied_index', 'Last index of the metadata log that is applied here', image.index),
        gauge('streamline_controller_term', 'Term of the metadata log', term),
        gauge('streamline_controller_leader_id', 'Node that leads the metadata log, -1 where nobody does', leaderId ?? NOBODY),
        gauge('streamline_controller_node_state', '1 for the state that this node is in', states),
        gauge('streamline_controller_voters', 'Voters of the metadata log', voters.length),
        gauge('streamline_controller_learners', 'Learners of the metadata log', learners.length),
        gauge('streamline_cluster_brokers', 'Registered brokers', image.brokers.size),
        gauge('streamline_cluster_brokers_fenced', 'Registered brokers that may not lead', fenced),
        gauge('streamline_cluster_topics', 'Topics', image.topics.size),
        gauge('streamline_cluster_partitions', 'Partitions', partitions),
        gauge('streamline_cluster_partitions_leaderless', 'Partitions that nobody leads', leaderless),
        gauge('streamline_cluster_partitions_moving', 'Partitions that move to other replicas', moving),
        gauge('streamline_cluster_partitions_under_replicated', 'Partitions with replicas that are not in sync', underReplicated),
        gauge('streamline_cluster_replicas_failed', 'Replicas with a log that failed', failed),
        counter(
          'streamline_controller_unclean_elections_total',
          'Leaders that were elected though they may lack acknowledged records, by this controller',
          uncleanElections(),
        ),
      ];
    },
  };
}

/** Those that a move adds are no replicas yet: it is no fault that they are not in sync. */
function countedPartitions({ topics }: Pick<MetadataImage, 'topics'>) {
  const counts = { partitions: 0, leaderless: 0, underReplicated: 0, moving: 0, failed: 0 };
  for (const topic of topics.values()) {
    counts.partitions += topic.partitions.length;
    for (const { leader, replicas, isr, addingReplicas, removingReplicas, failedReplicas } of topic.partitions) {
      if (leader === undefined) counts.leaderless += 1;
      if (replicas.some((each) => !isr.includes(each) && !addingReplicas.includes(each))) counts.underReplicated += 1;
      if (addingReplicas.length + removingReplicas.length > 0) counts.moving += 1;
      counts.failed += failedReplicas.length;
    }
  }
  return counts;
}
