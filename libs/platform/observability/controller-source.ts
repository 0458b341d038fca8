import type { MetadataLog, NodeState } from '@streamline/runtime/controller/metadata-log';
import type { MetadataReplica } from '@streamline/runtime/metadata/metadata-replica';
import { gauge, type MetricsSource } from './metric-family';

const NODE_STATES: readonly NodeState[] = ['Leader', 'Follower', 'Candidate', 'Learner', 'Shutdown'];
const NOBODY = -1;

/** The controller's consensus (guide: committed against applied index, leader, node state) and what its metadata holds. */
export function controllerSource(log: Pick<MetadataLog, 'status'>, replica: Pick<MetadataReplica, 'image'>): MetricsSource {
  return {
    collect: () => {
      const { nodeState, leaderId, term, committedIndex, voters, learners } = log.status;
      const { image } = replica;
      let partitions = 0;
      let leaderless = 0;
      for (const topic of image.topics.values()) {
        partitions += topic.partitions.length;
        for (const { leader } of topic.partitions) if (leader === undefined) leaderless += 1;
      }
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
      ];
    },
  };
}
