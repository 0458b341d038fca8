import { describe, expect, it } from 'vitest';
import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import type { Offset, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { ZERO_TOPIC_ID } from '@streamline/core/types/ids';
import type { PartitionKey, PartitionLog } from '@streamline/runtime/log/log-engine';
import type { LogStatus } from '@streamline/runtime/controller/metadata-log';
import { GatewayMetrics } from '@streamline/runtime/gateway/gateway-metrics';
import { controllerSource } from './controller-source';
import { formatFamilies, mergeExpositions } from './exposition';
import { EventLoopDelay } from './event-loop-delay';
import { gatewaySource } from './gateway-source';
import { groupSource } from './group-source';
import { LatencyHistogram } from './latency-histogram';
import { counter, gauge, histogram, type MetricsSource } from './metric-family';
import { ProcessMetrics } from './process-metrics';
import { processRolePort } from './process-role-port';
import { JournalMetrics } from './storage-source';

async function textOf(source: MetricsSource): Promise<string> {
  return formatFamilies(await source.collect());
}

describe('the text format', () => {
  it('writes help, type and samples, with what has a meaning in it escaped', () => {
    const family = gauge('streamline_x', 'a\nb \\', [
      { labels: { topic: 'q"\\\n', partition: 3 }, value: 1.5 },
      { value: Infinity },
    ]);
    expect(formatFamilies([family])).toBe(
      '# HELP streamline_x a\\nb \\\\\n# TYPE streamline_x gauge\nstreamline_x{topic="q\\"\\\\\\n",partition="3"} 1.5\nstreamline_x +Inf\n',
    );
  });

  it('writes a histogram with cumulative buckets', () => {
    const family = histogram('streamline_h', 'h', [{ labels: { a: 1 }, bounds: [0.1, 1], counts: [2, 3, 4], sum: 7 }]);
    expect(formatFamilies([family]).split('\n').slice(2)).toEqual([
      'streamline_h_bucket{a="1",le="0.1"} 2',
      'streamline_h_bucket{a="1",le="1"} 5',
      'streamline_h_bucket{a="1",le="+Inf"} 9',
      'streamline_h_sum{a="1"} 7',
      'streamline_h_count{a="1"} 9',
      '',
    ]);
  });

  it('puts the samples of one metric together, from one process and from several', () => {
    const one = formatFamilies([gauge('a', 'A', 1), counter('b', 'B', 2), gauge('a', 'A', [{ labels: { x: 1 }, value: 3 }])]);
    expect(one).toBe('# HELP a A\n# TYPE a gauge\na 1\na{x="1"} 3\n# HELP b B\n# TYPE b counter\nb 2\n');
    const other = formatFamilies([counter('b', 'B', [{ labels: { y: 1 }, value: 4 }]), gauge('c', 'C', 5)]);
    expect(mergeExpositions([one, other])).toBe(
      '# HELP a A\n# TYPE a gauge\na 1\na{x="1"} 3\n# HELP b B\n# TYPE b counter\nb 2\nb{y="1"} 4\n# HELP c C\n# TYPE c gauge\nc 5\n',
    );
  });
});

describe('LatencyHistogram', () => {
  it('puts a duration in the first bucket whose bound it does not exceed', () => {
    for (const elapsedMs of [0, 0.0625, 0.0626, 0.125, 1, 1.01, 999, 32_768, 32_769, 1e12]) {
      const one = new LatencyHistogram();
      one.observe(elapsedMs);
      const { bounds, counts, sum } = one.sample();
      const expected = bounds.findIndex((bound) => elapsedMs / 1_000 <= bound);
      expect(counts.indexOf(1), `${elapsedMs} ms`).toBe(expected === -1 ? bounds.length : expected);
      expect(sum).toBe(elapsedMs / 1_000);
    }
  });
});

describe('the sources of metrics', () => {
  it('tell requests, latencies, errors and bytes of the gateway by API', async () => {
    const metrics = new GatewayMetrics();
    metrics.requestDone(0, 3);
    metrics.requestFailed(1);
    metrics.errorAnswered(0, 87);
    metrics.connectionClosed('idle');
    metrics.bytesIn = 10;
    const gauges = { connections: 2, requestBytesInFlight: 3, answerBytesUnsent: 4 };
    const sessions = { fetchSessions: 5, fetchSessionPartitions: 6, fetchSessionEvictions: 7 };
    const source = gatewaySource(
      metrics,
      () => ({ ...gauges, ...sessions }),
      (key) => (key === 0 ? 'Produce' : undefined),
    );
    const text = await textOf(source);
    expect(text).toContain('streamline_kafka_requests_total{api="Produce"} 1\n');
    expect(text).toContain('streamline_kafka_request_failures_total{api="1"} 1\n');
    expect(text).toContain('streamline_kafka_request_duration_seconds_bucket{api="Produce",le="0.002"} 0\n');
    expect(text).toContain('streamline_kafka_request_duration_seconds_bucket{api="Produce",le="0.004"} 1\n');
    expect(text).toContain('streamline_kafka_errors_total{api="Produce",error="INVALID_RECORD"} 1\n');
    expect(text).toContain('streamline_kafka_connections_closed_total{reason="idle"} 1\n');
    expect(text).toContain('streamline_kafka_received_bytes_total 10\n');
    expect(text).toContain('streamline_kafka_connections 2\n');
  });

  it('tell commit times and fill of a journal', async () => {
    const metrics = new JournalMetrics('storage');
    metrics.onGroup({ bytes: 4_096, records: 3, writeMs: 0.2 });
    metrics.watch({ usedBytes: 5, capacityBytes: 9 });
    const text = await textOf(metrics);
    expect(text).toContain('streamline_journal_commit_duration_seconds_count{journal="storage"} 1\n');
    expect(text).toContain('streamline_journal_written_bytes_total{journal="storage"} 4096\n');
    expect(text).toContain('streamline_journal_capacity_bytes{journal="storage"} 9\n');
  });

  it('tell where the metadata log stands, and what the metadata holds', async () => {
    const still = { leader: 1, replicas: [1, 2], isr: [1, 2], addingReplicas: [], removingReplicas: [], failedReplicas: [] };
    const partition = (rest: object) => ({ ...still, ...rest }) as unknown as PartitionImage;
    const partitions = [
      partition({ leader: undefined, isr: [], failedReplicas: [1, 2] }),
      partition({ replicas: [3, 1, 2], addingReplicas: [3], removingReplicas: [1] }),
    ];
    const image = {
      index: 7,
      brokers: new Map([
        [1, { fenced: false }],
        [2, { fenced: true }],
      ]),
      topics: new Map([['a', { partitions }]]),
    } as unknown as MetadataImage;
    const status = {
      nodeId: 1,
      leaderId: undefined,
      nodeState: 'Candidate',
      term: 3,
      committedIndex: 9,
      voters: [1],
      learners: [],
    };
    const text = await textOf(controllerSource({ status: status as unknown as LogStatus }, { image }, () => 6));
    expect(text).toContain('streamline_controller_committed_index 9\n');
    expect(text).toContain('streamline_controller_applied_index 7\n');
    expect(text).toContain('streamline_controller_term 3\n');
    expect(text).toContain('streamline_controller_leader_id -1\n');
    expect(text).toContain('streamline_controller_node_state{state="Candidate"} 1\n');
    expect(text).toContain('streamline_controller_node_state{state="Leader"} 0\n');
    expect(text).toContain('streamline_cluster_brokers_fenced 1\n');
    expect(text).toContain('streamline_cluster_partitions_leaderless 1\n');
    expect(text).toContain('streamline_cluster_partitions_under_replicated 1\n');
    expect(text).toContain('streamline_cluster_partitions_moving 1\n');
    expect(text).toContain('streamline_cluster_replicas_failed 2\n');
    expect(text).toContain('streamline_controller_unclean_elections_total 6\n');
  });

  it('tell how far groups are behind, and what their coordinators did', async () => {
    const [id, other] = ['topictopictopictopic00', 'othertopicothertopic00'] as TopicId[];
    const at = (groupId: string, topicId = ZERO_TOPIC_ID, offset = 7, topic = 't') => {
      return { groupId, topic, topicId, partition: 0 as PartitionIndex, offset: offset as Offset };
    };
    const groups = {
      metrics: () => ({
        ...{ committedOffsets: 1, expiredOffsets: 2, completedRebalances: 3, loadedRecords: 4, rewrittenLogs: 5 },
        ...{ groupsByState: new Map([['Stable', 2]]), committedNow: 6, membershipBytes: 7 },
      }),
      committedOffsets: () => [at('a', id), at('b'), at('c', other), at('d', id, 12), at('e', ZERO_TOPIC_ID, 1, 'gone')].values(),
    };
    const engine = {
      get: ({ topicId }: PartitionKey) => (topicId === id ? ({ stableEndOffset: 10 } as PartitionLog) : undefined),
    };
    const replica = { image: { topicIdsByName: new Map([['t', id]]) } as unknown as MetadataImage };
    const text = await textOf(groupSource({ groups, engine, replica }));
    expect(text.match(/^streamline_group_lag.*$/gm)).toEqual([
      'streamline_group_lag{group="a",topic="t",partition="0"} 3',
      'streamline_group_lag{group="b",topic="t",partition="0"} 3',
      'streamline_group_lag{group="d",topic="t",partition="0"} 0',
    ]);
    expect(text).toContain('streamline_groups{state="Stable"} 2\n');
    expect(text).toContain('streamline_group_offset_commits_total 1\n');
    expect(text).toContain('streamline_group_rebalances_total 3\n');
    expect(text).toContain('streamline_group_offsets 6\n');
  });

  it('tell how late timers fire', async () => {
    const delay = new EventLoopDelay();
    delay.start();
    delay.start();
    const begin = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1));
    while (performance.now() - begin < 120);
    await new Promise((resolve) => setTimeout(resolve, 1));
    delay.stop();
    expect(await textOf(delay)).toMatch(/streamline_event_loop_delay_seconds_count [1-9]/);
  });
});

describe('the metrics of a process', () => {
  it('hold those of all sources and of the process itself, labelled with its roles', async () => {
    const metrics = new ProcessMetrics({ roles: ['storage', 'gateway'], version: '0.1.0', nodeId: 3 });
    metrics.add({ collect: () => [gauge('streamline_a', 'A', 1)] });
    metrics.add({ collect: () => Promise.reject(new Error('broken')) });
    metrics.add({ collect: async () => [gauge('streamline_b', 'B', 2)] });
    const text = await metrics.text();
    expect(text).toContain('streamline_a 1\n');
    expect(text).toContain('streamline_b 2\n');
    expect(text).toContain('streamline_metrics_source_failures_total 1\n');
    expect(text).toContain('streamline_event_loop_delay_seconds_count{process="storage+gateway"} ');
    expect(text).toMatch(/^streamline_process_resident_memory_bytes\{process="storage\+gateway"\} \d+$/m);
    expect(text).toMatch(
      /^streamline_build_info\{version="0.1.0",node="3",node_version="v\d.*",process="storage\+gateway"\} 1$/m,
    );
    const [, cpuSeconds] = /^streamline_process_cpu_seconds_total\{process="storage\+gateway"\} (.+)$/m.exec(text) ?? [];
    expect(Number(cpuSeconds), 'from the beginning of the process on').toBeGreaterThan(0.1);
    expect(text).not.toMatch(/eventloop_lag|Nan/);
    expect(await metrics.text()).toContain('streamline_metrics_source_failures_total 2\n');
    for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm)) expect(name).toMatch(/^streamline_[a-z0-9_]+$/);
  });
});

describe('what a process answers about itself', () => {
  it('is what its roles say now; one that cannot say is not ready', async () => {
    const port = processRolePort({
      nodeId: 1,
      version: '0.1.0',
      startedAtMs: 5,
      roles: [
        { role: 'storage', status: () => ({ role: 'storage', ready: true, checks: [] }) },
        { role: 'gateway', status: () => Promise.reject(new Error('no answer')) },
      ],
      metrics: { text: async () => 'x 1\n' },
    });
    expect(await port.getStatus({})).toEqual({
      nodeId: 1,
      version: '0.1.0',
      startedAtMs: 5,
      roles: [
        { role: 'storage', ready: true, checks: [] },
        { role: 'gateway', ready: false, checks: [{ name: 'status', ok: false, reason: 'no answer' }] },
      ],
    });
    expect(await port.getMetrics({})).toEqual({ text: 'x 1\n' });
  });
});
