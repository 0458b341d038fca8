import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { LoadConnection } from '../load/load-connection';
import { batchOf, batchOfOne, produceAnswerReader, produceRing } from '../load/produce-load';
import { runLoad } from '../load/run-load';
import type { Server } from '../server/server';
import { LatencyLog } from './percentiles';
import { measurementOf, type PortOf } from './produce';
import { KIB, type Bench, type Durability, type Scenario, type Subject } from './scenario';
import { withTopic } from './topics';

export const LATENCY_LINE = 'one record, one in flight';
/** Checkpoints run all the while, so this is also what a commit takes during them. */
export const BESIDE_LOAD_LINE = 'one record beside 64 KiB batches';

const DURABILITIES: readonly Durability[] = ['fsync', 'page-cache'];
const LOAD_BATCH_KIB = 64;
const LOAD_PARTITIONS = 2;

export const LATENCY_LOADS: readonly LatencyLoad[] = [
  { line: LATENCY_LINE, loadPartitions: 0 },
  { line: BESIDE_LOAD_LINE, loadPartitions: LOAD_PARTITIONS },
];

export interface LatencyLoad {
  readonly line: string;
  /** Each is sent one large batch after the other meanwhile. */
  readonly loadPartitions: number;
}

/** Sends single records to partition 0 of a topic and, to each of its other partitions, one large batch after the other. */
export async function measureLatency(
  bench: Pick<Bench<Subject>, 'times' | 'record'>,
  subject: Subject,
  durability: Durability,
  { line, loadPartitions }: LatencyLoad,
  { topic, version, portOf }: { readonly topic: string; readonly version: number; readonly portOf: PortOf },
): Promise<void> {
  const log = new LatencyLog();
  const open = (partition: number, batch: Buffer, onLatency?: (milliseconds: number) => void): Promise<LoadConnection> => {
    const ring = produceRing({ version, topic, partitions: [partition], batch });
    const read = produceAnswerReader(topic, batch.length);
    return LoadConnection.open({ port: portOf(partition), ring, inFlight: 1, read, ...(onLatency && { onLatency }) });
  };
  const single = await open(0, batchOfOne(KIB), log.add);
  const large = batchOf(LOAD_BATCH_KIB * KIB, KIB);
  const load = await Promise.all(Array.from({ length: loadPartitions }, (_, at) => open(at + 1, large)));
  const result = await runLoad([single, ...load], subject.pids, bench.times, undefined, () => log.clear());
  const measured = measurementOf(line, subject, durability, result);
  bench.record({ ...measured, metrics: { ...measured.metrics, ...log.percentiles() } });
}

async function latencyLine(bench: Bench, server: Server, durability: Durability, load: LatencyLoad): Promise<void> {
  await withTopic(server, { partitions: 1 + load.loadPartitions, durability }, (topic, control) => {
    const target = { topic, version: control.versionOf(produce), portOf: () => server.port };
    return measureLatency(bench, server, durability, load, target);
  });
}

export const latencyScenario: Scenario = {
  name: 'latency',
  summary: 'one record of 1 KiB with acks=all, one in flight, alone and beside 64 KiB batches: p50, p99, p99.9',
  async run(bench) {
    for (const load of LATENCY_LOADS) {
      for (const durability of DURABILITIES) {
        for (const server of bench.servers) await latencyLine(bench, server, durability, load);
      }
    }
  },
};
