import { compare, type Row, type Section } from '../report/section';
import { BESIDE_LOAD_LINE, LATENCY_LINE } from '../scenarios/latency';
import { BATCH_KIB, PRODUCE_LINE } from '../scenarios/produce';
import { CATCH_UP_LINES } from './catch-up';
import { FAILOVER_LINE } from './failover';
import { PARTITION_COUNTS, PARTITIONS_LINE } from './partitions';

/** Batch size in KiB -> what the ratio has to reach: [at least, aim]. */
const PRODUCE: Readonly<Record<number, readonly [number, number]>> = { 16: [2, 8], 64: [2, 4], 256: [1, 2] };

function produceRows(title: string, unit: string, better: Row['better'], metric: string, bar?: Partial<Row>): Section {
  const rows = [1, 6].flatMap((partitions) =>
    BATCH_KIB.map((kib) => {
      const [atLeast, aim] = PRODUCE[kib] ?? [];
      return compare(PRODUCE_LINE(kib, partitions), unit, better, PRODUCE_LINE(kib, partitions), metric, bar ?? { atLeast, aim });
    }),
  );
  return { title, rows };
}

const ms = (title: string, line: string, metric: string, bar: Partial<Row> = {}): Row =>
  compare(title, 'ms', 'lower', line, metric, bar);

const catchUpRows = CATCH_UP_LINES.flatMap((line): Row[] => [
  compare(line, 's', 'lower', line, 'catchUpSeconds'),
  compare('its rate', 'MB/s', 'higher', line, 'mbPerSecond'),
  compare('what the leaders took meanwhile', 'MB/s', 'higher', line, 'loadMbPerSecond'),
  ms('one record, before: p50', line, 'p50BeforeMs'),
  ms('one record, meanwhile: p50', line, 'p50Ms'),
  ms('one record, before: p99', line, 'p99BeforeMs'),
  ms('one record, meanwhile: p99', line, 'p99Ms'),
  compare('CPU of the leaders, with the load', 'cpu s/GB', 'lower', line, 'leadersCpuSecondsPerGb'),
  compare('CPU of the follower, with its start', 'cpu s/GB', 'lower', line, 'followerCpuSecondsPerGb'),
]);

const partitionRows = PARTITION_COUNTS.flatMap((partitions): Row[] => {
  const [idle, small, large] = (['idle', '1 KiB', '16 KiB'] as const).map((kind) => PARTITIONS_LINE(partitions, kind));
  if (idle === undefined || small === undefined || large === undefined) return [];
  return [
    ms(`${partitions.toLocaleString('en')} partitions created`, idle, 'createMs'),
    compare(`${idle}: CPU of a process`, '%', 'lower', idle, 'idleCpuPercent'),
    compare('the same without partitions', '%', 'lower', idle, 'emptyCpuPercent'),
    compare(`${idle}: memory of a process`, 'MB', 'lower', idle, 'residentMb'),
    compare(small, 'req/s', 'higher', small, 'requestsPerSecond'),
    compare(`${small}: CPU`, 'cpu µs', 'lower', small, 'cpuMicrosPerRequest'),
    compare(large, 'MB/s', 'higher', large, 'mbPerSecond'),
    compare(`${large}: CPU`, 'cpu s/GB', 'lower', large, 'cpuSecondsPerGb'),
  ];
});

/** What three nodes are held against three brokers by: ours with fsync on every replica, Kafka without. */
export const replicatedSections: readonly Section[] = [
  produceRows('RF 3, acks=all: ours fsync on every replica, Kafka in memory', 'MB/s', 'higher', 'mbPerSecond'),
  produceRows('server CPU per GB, all three', 'cpu s/GB', 'lower', 'cpuSecondsPerGb', { atLeast: 0.7, aim: 0.4 }),
  {
    title: 'one record of 1 KiB, one in flight',
    rows: [
      ms('p50', LATENCY_LINE, 'p50Ms', { atLeast: 1.2, aim: 0.8 }),
      ms('p99', LATENCY_LINE, 'p99Ms', { atLeast: 1.2, aim: 0.5 }),
      ms('p99.9', LATENCY_LINE, 'p999Ms'),
    ],
  },
  {
    title: 'the same beside two streams of 64 KiB batches',
    rows: [
      ms('p50', BESIDE_LOAD_LINE, 'p50Ms'),
      ms('p99', BESIDE_LOAD_LINE, 'p99Ms'),
      compare('the streams', 'MB/s', 'higher', BESIDE_LOAD_LINE, 'mbPerSecond'),
    ],
  },
  {
    title: 'longest gap in writes when a broker ends, six partitions, each broker in turn',
    rows: [
      ms('kill -9', FAILOVER_LINE.SIGKILL, 'longestGapMs', { absolute: true, atLeast: 2500, aim: 1000 }),
      ms('kill -9, median', FAILOVER_LINE.SIGKILL, 'medianGapMs'),
      ms('in sync again after its start', FAILOVER_LINE.SIGKILL, 'longestInSyncAfterStartMs', { absolute: true, atLeast: 5000 }),
      ms('SIGTERM', FAILOVER_LINE.SIGTERM, 'longestGapMs', { absolute: true, atLeast: 300, aim: 100 }),
      ms('SIGTERM, median', FAILOVER_LINE.SIGTERM, 'medianGapMs'),
      ms('the stop', FAILOVER_LINE.SIGTERM, 'endMs'),
      ms('in sync again after its start', FAILOVER_LINE.SIGTERM, 'longestInSyncAfterStartMs', { absolute: true, atLeast: 5000 }),
    ],
  },
  { title: 'a follower that was away', rows: catchUpRows },
  { title: 'many partitions with three replicas', rows: partitionRows },
];
