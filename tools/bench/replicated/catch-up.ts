import { setTimeout as delay } from 'node:timers/promises';
import { LoadConnection } from '../load/load-connection';
import { batchOf, batchOfOne, produceAnswerReader, produceRing } from '../load/produce-load';
import { LatencyLog } from '../scenarios/percentiles';
import { defaultDurability } from '../scenarios/produce';
import { cpuSecondsOf } from '../server/process-stats';
import { GIGABYTE, KIB, MEGABYTE, type Bench, type Scenario } from '../scenarios/scenario';
import type { Fleet } from './fleet';
import { PacedLoad } from './paced-load';
import { REPLICAS, ReplicatedTopic } from './replicated-topic';

const PARTITIONS = 4;
const FOLLOWER = 3;
const BEHIND_BYTES = 2 * GIGABYTE;
const QUICK_BEHIND_BYTES = 0.25 * GIGABYTE;
const FILL_BATCH_BYTES = 256 * KIB;
const FILL_IN_FLIGHT = 5;
const LOAD_BATCH_BYTES = 64 * KIB;
const LOAD_BATCHES_PER_SECOND = 160;
const BEFORE_SECONDS = 4;
const CAUGHT_UP_WITHIN_MS = 240_000;

export const CATCH_UP_LINE = (bytes: number): string => `a follower that lacks ${bytes / GIGABYTE} GB catches up under load`;
export const CATCH_UP_LINES = [BEHIND_BYTES, QUICK_BEHIND_BYTES].map(CATCH_UP_LINE);

/** Beside the follower that gets what it lacks, leaders take 10 MB/s in 64 KiB batches, and single records, which are timed. */
export const catchUpScenario: Scenario<Fleet> = {
  name: 'catch-up',
  summary: '2 GB for a follower that was away, while its leaders take 10 MB/s and one record after the other: time, p50 and p99',
  async run(bench) {
    for (const fleet of bench.servers) {
      await ReplicatedTopic.with(fleet, PARTITIONS, (topic) => catchUpLine(bench, topic));
    }
  },
};

async function catchUpLine(bench: Bench<Fleet>, topic: ReplicatedTopic): Promise<void> {
  const { fleet } = topic;
  const bytes = bench.quick ? QUICK_BEHIND_BYTES : BEHIND_BYTES;
  const follower = fleet.node(FOLLOWER);
  await follower.end('SIGTERM');
  await topic.ready(fleet.running.length);
  const fillSeconds = await fill(topic, bytes);
  const latencies = new LatencyLog();
  const load = await PacedLoad.start(topic, batchOf(LOAD_BATCH_BYTES, KIB), LOAD_BATCHES_PER_SECOND);
  const probe = await openProbe(topic, latencies);
  try {
    probe.start();
    await delay((bench.quick ? 1 : BEFORE_SECONDS) * 1000);
    const before = latencies.percentiles();
    latencies.clear();
    const leaders = fleet.running.flatMap(({ pids }) => pids);
    const [cpuBefore, loadBefore, startedMs] = [cpuSecondsOf(leaders), load.payloadBytes, performance.now()];
    const answerMs = await follower.start();
    await topic.ready(REPLICAS, CAUGHT_UP_WITHIN_MS);
    const seconds = (performance.now() - startedMs) / 1000;
    const during = latencies.percentiles();
    bench.record({
      line: CATCH_UP_LINE(bytes),
      server: fleet.name,
      durability: defaultDurability(fleet),
      metrics: {
        catchUpSeconds: seconds,
        answerMs,
        mbPerSecond: bytes / MEGABYTE / (seconds - answerMs / 1000),
        loadMbPerSecond: (load.payloadBytes - loadBefore) / MEGABYTE / seconds,
        p50Ms: during.p50Ms,
        p99Ms: during.p99Ms,
        maxMs: during.maxMs,
        p50BeforeMs: before.p50Ms,
        p99BeforeMs: before.p99Ms,
        fillMbPerSecond: bytes / MEGABYTE / fillSeconds,
        leadersCpuSecondsPerGb: (cpuSecondsOf(leaders) - cpuBefore) / (bytes / GIGABYTE),
        followerCpuSecondsPerGb: cpuSecondsOf(follower.pids) / (bytes / GIGABYTE),
      },
    });
    await Promise.all([load.stop(), probe.stop()]);
  } finally {
    load.close();
    probe.close();
  }
}

/** Writes what the follower will lack: seconds. */
async function fill(topic: ReplicatedTopic, bytes: number): Promise<number> {
  const batch = batchOf(FILL_BATCH_BYTES, KIB);
  const read = produceAnswerReader(topic.name, batch.length);
  const startedMs = performance.now();
  const limit = Math.ceil(bytes / topic.partitions / batch.length);
  const connections = await Promise.all(
    Array.from({ length: topic.partitions }, (_, partition) => {
      const slots = Array.from({ length: FILL_IN_FLIGHT }, () => partition);
      const ring = produceRing({ version: topic.version, topic: topic.name, partitions: slots, batch });
      return LoadConnection.open({ port: topic.portOf(partition), ring, inFlight: FILL_IN_FLIGHT, read, limit });
    }),
  );
  try {
    for (const each of connections) each.start();
    await Promise.all(connections.map((each) => each.drain()));
  } finally {
    for (const each of connections) each.close();
  }
  return (performance.now() - startedMs) / 1000;
}

function openProbe(topic: ReplicatedTopic, latencies: LatencyLog): Promise<LoadConnection> {
  const batch = batchOfOne(KIB);
  const ring = produceRing({ version: topic.version, topic: topic.name, partitions: [0], batch });
  const read = produceAnswerReader(topic.name, batch.length);
  return LoadConnection.open({ port: topic.portOf(0), ring, inFlight: 1, read, onLatency: latencies.add });
}
