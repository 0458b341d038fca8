import { describe, expect, it } from 'vitest';
import { replicationSource } from './replication-source';

describe('the metrics of replication', () => {
  it('tell what the storage role counts at the moment of the scrape', async () => {
    const figures = {
      underReplicated: 1,
      underMinIsr: 2,
      isrShrinks: 3,
      isrExpands: 4,
      connectedPeers: 5,
      followerLagMax: 6,
      inFlightBytes: 7,
      logsBegunAnew: 8,
      logsRecovered: 9,
      anewWaitMsMax: 10_500,
    };
    const told = [...(await replicationSource(() => figures).collect())];
    expect(Object.fromEntries(told.map(({ name, samples }) => [name, [...samples][0]]))).toEqual({
      streamline_replication_partitions_under_replicated: { value: 1 },
      streamline_replication_partitions_under_min_isr: { value: 2 },
      streamline_replication_isr_shrinks_total: { value: 3 },
      streamline_replication_isr_expands_total: { value: 4 },
      streamline_replication_streams: { value: 5 },
      streamline_replication_follower_lag_max: { value: 6 },
      streamline_replication_in_flight_bytes: { value: 7 },
      streamline_replication_logs_begun_anew_total: { value: 8 },
      streamline_replication_logs_recovered_total: { value: 9 },
      streamline_replication_log_anew_wait_seconds: { value: 10.5 },
    });
  });
});
