import { CLIENT_LINE } from '../scenarios/client';
import { FETCH_LINE } from '../scenarios/fetch';
import { CONNECTIONS_LINE, TOUCHED_LINE, WIDE_LINE } from '../scenarios/growth';
import { BESIDE_LOAD_LINE, LATENCY_LINE } from '../scenarios/latency';
import { PARTITIONS_LINE } from '../scenarios/partitions';
import { PRODUCE_LINE, SMALL_LINE } from '../scenarios/produce';
import { DEFAULT_DURABILITY, type Durability } from '../scenarios/scenario';
import { START_LINE } from '../scenarios/start';
import { compare, type Row, type Section } from './section';

const OURS = DEFAULT_DURABILITY.streamline;
const THEIRS = DEFAULT_DURABILITY.kafka;

/** Batch size in KiB -> what the ratio has to reach: [at least, aim]. */
type Bars = Readonly<Record<number, readonly [number, number]>>;

const PAGE_CACHE: Bars = { 16: [1.5, 2.5], 64: [1.5, 2.5], 256: [1.0, 2.5] };
const FSYNC_AGAINST_MEMORY: Bars = { 16: [1.2, 1.5], 64: [0.7, 1.2], 256: [0.7, 1.0] };
const FSYNC_AGAINST_FSYNC: Bars = { 16: [4, 10], 64: [1.5, 3], 256: [0.9, 1.5] };
const FETCH: Bars = { 64: [1.2, 2], 1024: [0.6, 1] };

function produceSection(title: string, ours: Durability, theirs: Durability, bars: Bars): Section {
  const rows = [1, 6].flatMap((partitions) =>
    [16, 64, 256].map((kib): Row => {
      const figure = { line: PRODUCE_LINE(kib, partitions), metric: 'mbPerSecond' };
      const [atLeast, aim] = partitions === 6 ? (bars[kib] ?? []) : [];
      const sides = { ours: { ...figure, durability: ours }, theirs: { ...figure, durability: theirs } };
      return { title: figure.line, unit: 'MB/s', better: 'higher', ...sides, atLeast, aim };
    }),
  );
  return { title, rows };
}

const cpuRows = (['fsync', 'page-cache'] as const).flatMap((durability) =>
  [16, 64, 256].map((kib): Row => {
    const line = PRODUCE_LINE(kib, 6);
    const theirs = { line, metric: 'cpuSecondsPerGb', durability: THEIRS };
    const ours = { line, metric: 'cpuSecondsPerGb', durability };
    return { title: `${line}, ours ${durability}`, unit: 'cpu s/GB', better: 'lower', ours, theirs, atLeast: 0.7, aim: 0.4 };
  }),
);

const fetchRows = [1, 6].flatMap((partitions) =>
  [64, 1024].map((kib): Row => {
    const figure = { line: FETCH_LINE(kib, partitions), metric: 'mbPerSecond', durability: 'page-cache' as const };
    const [atLeast, aim] = FETCH[kib] ?? [];
    return { title: figure.line, unit: 'MB/s', better: 'higher', ours: figure, theirs: figure, atLeast, aim };
  }),
);

const fetchCpuRows = [64, 1024].map((kib): Row => {
  const figure = { line: FETCH_LINE(kib, 6), metric: 'cpuSecondsPerGb', durability: 'page-cache' as const };
  return { title: `${figure.line}, cpu`, unit: 'cpu s/GB', better: 'lower', ours: figure, theirs: figure };
});

const smallRows = (['fsync', 'page-cache'] as const).map((durability): Row => {
  const figure = { line: SMALL_LINE, metric: 'requestsPerSecond' };
  const sides = { ours: { ...figure, durability }, theirs: { ...figure, durability: THEIRS } };
  return { title: `${SMALL_LINE}, ours ${durability}`, unit: 'req/s', better: 'higher', ...sides };
});

const startRows: readonly Row[] = [
  compare('first answer after a clean stop', 'ms', 'lower', START_LINE, 'startAfterStopMs', {
    absolute: true,
    atLeast: 600,
    aim: 400,
  }),
  compare('first answer after kill -9 under load', 'ms', 'lower', START_LINE, 'startAfterKillMs', {
    absolute: true,
    atLeast: 6000,
  }),
  compare('first answer of an empty node', 'ms', 'lower', START_LINE, 'firstStartMs'),
  compare('clean stop', 'ms', 'lower', START_LINE, 'stopMs'),
  compare('resident memory, idle', 'MB', 'lower', START_LINE, 'idleMb', { absolute: true, atLeast: 130, aim: 90 }),
];

/** The bar is set for 10,000 partitions; a quick run has fewer and shows the figures only. */
const partitionRows = [10_000, 1_000].flatMap((partitions): Row[] => {
  const line = PARTITIONS_LINE(partitions);
  const bar = (atLeast: number, aim: number): Partial<Row> => (partitions === 10_000 ? { absolute: true, atLeast, aim } : {});
  return [
    compare(`${line}: created`, 'ms', 'lower', line, 'createMs'),
    compare(`${line}: a record to each`, 'ms', 'lower', line, 'writeMs'),
    compare(`${line}: resident memory`, 'MB', 'lower', line, 'residentMb', bar(400, 250)),
    compare(`${line}: clean stop`, 'ms', 'lower', line, 'stopMs'),
    compare(`${line}: ready after a clean stop`, 'ms', 'lower', line, 'readyAfterStopMs', bar(3000, 1000)),
    compare(`${line}: ready after kill -9`, 'ms', 'lower', line, 'readyAfterKillMs', bar(6000, 2000)),
  ];
});

const clientRows: readonly Row[] = [
  compare('produce', 'MB/s', 'higher', CLIENT_LINE, 'produceMbPerSecond'),
  compare('consume', 'MB/s', 'higher', CLIENT_LINE, 'consumeMbPerSecond'),
  compare('join a group', 'ms', 'lower', CLIENT_LINE, 'joinMs'),
];

/** A curve: cost in server CPU at each size. */
function curve(lineOf: (count: number) => string, counts: readonly number[], metric: string): Row[] {
  return counts.map((count) => compare(lineOf(count), 'cpu µs', 'lower', lineOf(count), metric));
}

const growthRows = [
  ...curve(TOUCHED_LINE, [1, 100, 1000], 'cpuMicrosPerRequest'),
  ...curve(WIDE_LINE, [1, 100, 1000], 'cpuMicrosPerBatch'),
  ...curve(CONNECTIONS_LINE, [1, 20, 1000], 'cpuMicrosPerRequest'),
];

const percentile = (title: string, metric: string, bar: Partial<Row> = {}, line = LATENCY_LINE): Row =>
  compare(title, 'ms', 'lower', line, metric, bar);

export const sections: readonly Section[] = [
  produceSection('produce: ours page-cache, Kafka as it comes', 'page-cache', THEIRS, PAGE_CACHE),
  produceSection('produce: ours fsync (default), Kafka as it comes', OURS, THEIRS, FSYNC_AGAINST_MEMORY),
  produceSection('produce: both fsync', OURS, 'fsync', FSYNC_AGAINST_FSYNC),
  { title: 'one record a request', rows: smallRows },
  {
    title: 'one record of 1 KiB, acks=all, one in flight: ours fsync, Kafka as it comes',
    rows: [
      percentile('p50', 'p50Ms', { atLeast: 1.5, aim: 1 }),
      percentile('p99', 'p99Ms', { atLeast: 0.7, aim: 0.4 }),
      percentile('p99.9', 'p999Ms'),
    ],
  },
  {
    title: 'the same beside two streams of 64 KiB batches, with checkpoints all the while',
    rows: [
      percentile('p50', 'p50Ms', {}, BESIDE_LOAD_LINE),
      percentile('p99', 'p99Ms', {}, BESIDE_LOAD_LINE),
      percentile('the streams', 'mbPerSecond', { unit: 'MB/s', better: 'higher' }, BESIDE_LOAD_LINE),
    ],
  },
  { title: 'fetch', rows: [...fetchRows, ...fetchCpuRows] },
  { title: 'server CPU per GB produced', rows: cpuRows },
  { title: 'start, stop, memory', rows: startRows },
  { title: 'many partitions', rows: partitionRows },
  { title: 'growth: server CPU per request (per batch where a request has many)', rows: growthRows },
  { title: CLIENT_LINE, rows: clientRows },
];
