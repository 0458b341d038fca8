import type { ReplicationFigures } from '@streamline/runtime/replication/replication-host';
import { counter, gauge, type MetricsSource } from './metric-family';

/** How the replicas are that a storage role shares with other brokers. */
export function replicationSource(figures: () => ReplicationFigures): MetricsSource {
  return {
    collect: () => {
      const now = figures();
      return [
        gauge(
          'streamline_replication_partitions_under_replicated',
          'Partitions led here of which replicas are not in sync',
          now.underReplicated,
        ),
        gauge(
          'streamline_replication_partitions_under_min_isr',
          'Partitions led here that refuse acks=all, since too few replicas are in sync',
          now.underMinIsr,
        ),
        counter(
          'streamline_replication_isr_shrinks_total',
          'Times that in-sync replicas of a partition led here became fewer',
          now.isrShrinks,
        ),
        counter(
          'streamline_replication_isr_expands_total',
          'Times that in-sync replicas of a partition led here became more',
          now.isrExpands,
        ),
        gauge(
          'streamline_replication_follower_lag_max',
          'Records that the follower lacks which is furthest behind, of partitions led here',
          now.followerLagMax,
        ),
        counter(
          'streamline_replication_logs_begun_anew_total',
          'Logs that failed and were dropped, to be copied from their leader anew',
          now.logsBegunAnew,
        ),
        counter(
          'streamline_replication_logs_recovered_total',
          'Logs that failed, began anew, and had everything committed again',
          now.logsRecovered,
        ),
        gauge(
          'streamline_replication_log_anew_wait_seconds',
          'Until a log that failed begins anew, at the earliest; of several the longest, 0 where none waits for its time',
          now.anewWaitMsMax / 1_000,
        ),
        gauge('streamline_replication_streams', 'Other brokers with which a stream of replicas is open', now.connectedPeers),
        gauge(
          'streamline_replication_in_flight_bytes',
          'Bytes sent to followers that they have not taken yet',
          now.inFlightBytes,
        ),
      ];
    },
  };
}
