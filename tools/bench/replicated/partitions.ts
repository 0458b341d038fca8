import { setTimeout as delay } from 'node:timers/promises';
import { LoadConnection } from '../load/load-connection';
import { batchOf, batchOfOne, produceAnswerReader, produceRing } from '../load/produce-load';
import { runLoad, runWrites, type LoadResult } from '../load/run-load';
import { defaultDurability, loadMetrics } from '../scenarios/produce';
import { cpuSecondsOf } from '../server/process-stats';
import { KIB, MEGABYTE, type Bench, type Scenario } from '../scenarios/scenario';
import type { Fleet } from './fleet';
import { REPLICAS, ReplicatedTopic } from './replicated-topic';
import { warmUpFleet } from './warm-up';

const PARTITIONS = 1_000;
const QUICK_PARTITIONS = 100;
const OUTSTANDING = 20;
const LARGE_BATCH_BYTES = 16 * KIB;
const IDLE_SECONDS = 4;
const WARM_UP_SECONDS = 6;
const QUICK_WARM_UP_SECONDS = 1;
const SETTLE_MS = 1_000;

type Kind = 'idle' | '1 KiB' | '16 KiB';

export const PARTITIONS_LINE = (partitions: number, kind: Kind): string =>
  `${partitions.toLocaleString('en')} partitions, ${kind === 'idle' ? kind : `${kind} to each in turn`}`;
export const PARTITION_COUNTS = [PARTITIONS, QUICK_PARTITIONS];

/** What many partitions cost when nothing happens, and when each gets a batch in turn. */
export const replicatedPartitions: Scenario<Fleet> = {
  name: 'partitions',
  summary:
    '1,000 partitions: creation, CPU and memory while idle, 1 KiB and 16 KiB batches to each in turn over three connections',
  bringsServers: true,
  async run(bench) {
    for (const fleet of await bench.freshServers()) {
      try {
        await fleet.start();
        await partitionsLine(bench, fleet, bench.quick ? QUICK_PARTITIONS : PARTITIONS);
      } finally {
        await fleet.remove();
      }
    }
  },
};

async function partitionsLine(bench: Bench<Fleet>, fleet: Fleet, partitions: number): Promise<void> {
  const durability = defaultDurability(fleet);
  const emptyCores = await idleCores(fleet);
  const emptyMb = fleet.residentBytes / MEGABYTE;
  const startedMs = performance.now();
  const topic = await ReplicatedTopic.create(fleet, partitions);
  const createMs = performance.now() - startedMs;
  const cores = await idleCores(fleet);
  const metrics = {
    createMs,
    // Of one process of the three.
    idleCpuPercent: (cores * 100) / fleet.nodes.length,
    emptyCpuPercent: (emptyCores * 100) / fleet.nodes.length,
    residentMb: fleet.residentBytes / MEGABYTE / fleet.nodes.length,
    emptyResidentMb: emptyMb / fleet.nodes.length,
  };
  bench.record({ line: PARTITIONS_LINE(partitions, 'idle'), server: fleet.name, durability, metrics });
  await warmUpFleet(fleet, bench.quick ? QUICK_WARM_UP_SECONDS : WARM_UP_SECONDS);
  for (const [kind, batch] of [
    ['1 KiB', batchOfOne(KIB)],
    ['16 KiB', batchOf(LARGE_BATCH_BYTES, KIB)],
  ] as const) {
    const result = await inTurn(bench, topic, batch);
    const { startedAtMs, endedAtMs, foreignCores, machine } = result;
    bench.record({
      line: PARTITIONS_LINE(partitions, kind),
      server: fleet.name,
      durability,
      metrics: loadMetrics(result, fleet),
      foreignCores,
      machine: { ...machine },
      window: { startedAtMs, endedAtMs },
    });
  }
}

/** One connection to each broker, which sends a batch to one partition after the other of those that the broker leads. */
async function inTurn(bench: Bench<Fleet>, topic: ReplicatedTopic, batch: Buffer): Promise<LoadResult> {
  const read = produceAnswerReader(topic.name, batch.length);
  const connections = await Promise.all(
    topic.fleet.nodes.flatMap((node, index) => {
      const led = topic.ledBy(index + 1);
      if (led.length === 0) return [];
      const slots = Array.from({ length: Math.max(OUTSTANDING, led.length) }, (_, slot) => led[slot % led.length] ?? 0);
      const ring = produceRing({ version: topic.version, topic: topic.name, partitions: slots, batch });
      return [LoadConnection.open({ port: node.port, ring, inFlight: OUTSTANDING, read })];
    }),
  );
  const { pids } = topic.fleet;
  return bench.coldMemory ? runLoad(connections, pids, bench.times) : runWrites(connections, pids, bench.times, REPLICAS);
}

/** Cores that all processes use while nothing is asked of them. */
async function idleCores({ pids }: Fleet): Promise<number> {
  await delay(SETTLE_MS);
  const before = cpuSecondsOf(pids);
  await delay(IDLE_SECONDS * 1000);
  return (cpuSecondsOf(pids) - before) / IDLE_SECONDS;
}
