import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { LoadConnection } from '../load/load-connection';
import { batchOf, batchOfOne, produceAnswerReader, produceRing } from '../load/produce-load';
import { runLoad, runWrites, type LoadResult } from '../load/run-load';
import type { Server } from '../server/server';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import type { KafkaControl } from '../load/kafka-control';
import {
  DEFAULT_DURABILITY,
  GIGABYTE,
  KIB,
  MEGABYTE,
  type Bench,
  type Durability,
  type Measurement,
  type Scenario,
  type Subject,
} from './scenario';
import { withTopic } from './topics';

export const BATCH_KIB = [16, 64, 256];
export const RECORD_BYTES = KIB;
export const IN_FLIGHT = 5;
const DURABILITIES: readonly Durability[] = ['fsync', 'page-cache'];

export const PRODUCE_LINE = (kib: number, partitions: number): string =>
  `produce ${kib} KiB, ${partitions} partition${partitions === 1 ? '' : 's'}`;
export const SMALL_LINE = 'produce 200 B a request, 6 partitions';

/** At which port of 127.0.0.1 the leader of a partition is. */
export type PortOf = (partition: number) => number;

const SMALL_VALUE_BYTES = 200;
const SMALL_IN_FLIGHT = 20;
const SMALL_PARTITIONS = 6;

/** A connection to the leader of each partition, at the port that `portOf` tells, that keeps sending `batch`. */
export async function openProducers(
  portOf: PortOf,
  version: number,
  topic: string,
  partitions: number,
  batch: Buffer,
  inFlight: number,
): Promise<LoadConnection[]> {
  const read = produceAnswerReader(topic, batch.length);
  return Promise.all(
    Array.from({ length: partitions }, (_, partition) => {
      const slots = Array.from({ length: inFlight }, () => partition);
      const ring = produceRing({ version, topic, partitions: slots, batch });
      return LoadConnection.open({ port: portOf(partition), ring, inFlight, read });
    }),
  );
}

export function loadMetrics(result: LoadResult, server: Pick<Subject, 'residentBytes'>): Record<string, number> {
  return {
    mbPerSecond: result.payloadBytes / MEGABYTE / result.seconds,
    requestsPerSecond: result.requests / result.seconds,
    cpuSecondsPerGb: result.serverCpuSeconds / (result.payloadBytes / GIGABYTE),
    cpuMicrosPerRequest: (result.serverCpuSeconds * 1e6) / result.requests,
    cpuCores: result.serverCpuSeconds / result.seconds,
    residentMb: server.residentBytes / MEGABYTE,
  };
}

export function measurementOf(
  line: string,
  server: Pick<Subject, 'name' | 'residentBytes'>,
  durability: Durability,
  result: LoadResult,
): Measurement {
  const { startedAtMs, endedAtMs, foreignCores, machine } = result;
  const metrics = loadMetrics(result, server);
  return {
    line,
    server: server.name,
    durability,
    metrics,
    foreignCores,
    machine: { ...machine },
    window: { startedAtMs, endedAtMs },
  };
}

async function produceLine(
  bench: Bench,
  server: Server,
  durability: Durability,
  load: { readonly line: string; readonly partitions: number; readonly batch: Buffer; readonly inFlight: number },
): Promise<void> {
  await withTopic(server, { partitions: load.partitions, durability }, async (topic, control) => {
    const version = control.versionOf(produce);
    const connections = await openProducers(() => server.port, version, topic, load.partitions, load.batch, load.inFlight);
    const run = bench.coldMemory ? runLoad : runWrites;
    const result = await run(connections, server.pids, bench.times);
    await checkAllThere(control, topic, load, connections);
    bench.record(measurementOf(load.line, server, durability, result));
  });
}

/** A server that acknowledges fast what it does not have is not fast. @throws where records are missing, or too many */
async function checkAllThere(
  control: KafkaControl,
  topic: string,
  load: { readonly partitions: number; readonly batch: Buffer },
  connections: readonly LoadConnection[],
): Promise<void> {
  const batches = connections.reduce((sum, each) => sum + each.answered, 0);
  const expected = batches * readBatchHeader(load.batch).recordCount;
  const found = await control.recordsIn(topic, load.partitions);
  if (found !== expected) throw new Error(`${expected} records were acknowledged, ${found} are there`);
}

export const produceScenario: Scenario = {
  name: 'produce',
  summary: '16, 64 and 256 KiB batches of 1 KiB records, 5 in flight on one connection per partition',
  async run(bench) {
    for (const partitions of bench.partitionCounts) {
      for (const kib of BATCH_KIB) {
        const batch = batchOf(kib * KIB, RECORD_BYTES);
        const load = { line: PRODUCE_LINE(kib, partitions), partitions, batch, inFlight: IN_FLIGHT };
        for (const durability of DURABILITIES) {
          for (const server of bench.servers) await produceLine(bench, server, durability, load);
        }
      }
    }
  },
};

export const smallScenario: Scenario = {
  name: 'small',
  summary: '200 B records one a request, 20 in flight on each of 6 connections',
  async run(bench) {
    const batch = batchOfOne(SMALL_VALUE_BYTES);
    const load = { line: SMALL_LINE, partitions: SMALL_PARTITIONS, batch, inFlight: SMALL_IN_FLIGHT };
    for (const durability of DURABILITIES) {
      for (const server of bench.servers) await produceLine(bench, server, durability, load);
    }
  },
};

/** The durability that a server has when nothing is configured. */
export function defaultDurability(server: Pick<Subject, 'name'>): Durability {
  return DEFAULT_DURABILITY[server.name];
}
