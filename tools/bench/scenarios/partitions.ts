import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { setTimeout as delay } from 'node:timers/promises';
import { KafkaControl } from '../load/kafka-control';
import { LoadConnection } from '../load/load-connection';
import { batchOfOne, produceAnswerReader, wideProduceRing } from '../load/produce-load';
import { cpuSecondsOf } from '../server/process-stats';
import type { Server } from '../server/server';
import { defaultDurability } from './produce';
import { KIB, MEGABYTE, type Bench, type Scenario } from './scenario';
import { durabilityConfigs } from './topics';

const PARTITIONS = 10_000;
const QUICK_PARTITIONS = 1_000;
const PARTITIONS_PER_REQUEST = 500;
/** Kafka refuses a topic of 10,000: its controller takes no more records in one operation. */
const PARTITIONS_PER_TOPIC = 1_000;
const topicOf = (index: number): string => `bench-many-${index}`;
const READY_WITHIN_MS = 180_000;
const IDLE_SECONDS = 3;

export const PARTITIONS_LINE = (partitions: number): string => `${partitions.toLocaleString('en')} partitions`;

/** Many partitions with a record in each. Ready means: the last of them has acknowledged another record. */
export const partitionsScenario: Scenario = {
  name: 'partitions',
  summary: '10,000 partitions on one node: creation, memory, ready after a clean stop and after kill -9',
  bringsServers: true,
  async run(bench) {
    for (const server of await bench.freshServers()) {
      try {
        await partitionsLine(bench, server, bench.quick ? QUICK_PARTITIONS : PARTITIONS);
      } finally {
        await server.remove();
      }
    }
  },
};

async function partitionsLine(bench: Bench, server: Server, partitions: number): Promise<void> {
  const durability = defaultDurability(server);
  await server.start();
  const control = await KafkaControl.connect(server.port);
  const startedMs = performance.now();
  const topics = partitions / PARTITIONS_PER_TOPIC;
  for (let index = 0; index < topics; index += 1) {
    await control.createTopic(topicOf(index), PARTITIONS_PER_TOPIC, durabilityConfigs(durability));
  }
  const createMs = performance.now() - startedMs;
  const version = control.versionOf(produce);
  const writeMs = await writeToAll(server, version, topics);
  await control.close();
  const cpuBefore = cpuSecondsOf(server.pids);
  await delay(IDLE_SECONDS * 1000);
  const idleCpuCores = (cpuSecondsOf(server.pids) - cpuBefore) / IDLE_SECONDS;
  const residentMb = server.residentBytes / MEGABYTE;
  const stopMs = await server.end('SIGTERM');
  const afterStop = await startUntilReady(server, topics);
  await waitForAll(server, topics);
  await writeToAll(server, version, topics);
  await server.end('SIGKILL');
  const afterKill = await startUntilReady(server, topics);
  bench.record({
    line: PARTITIONS_LINE(partitions),
    server: server.name,
    durability,
    metrics: {
      ...{ createMs, writeMs, residentMb, idleCpuCores, stopMs },
      ...{ answerAfterStopMs: afterStop.answerMs, readyAfterStopMs: afterStop.readyMs },
      ...{ answerAfterKillMs: afterKill.answerMs, readyAfterKillMs: afterKill.readyMs },
      residentAfterStartMb: server.residentBytes / MEGABYTE,
    },
  });
}

/** That one partition is ready does not say that all are. */
async function waitForAll(server: Server, topics: number): Promise<void> {
  const control = await KafkaControl.connect(server.port);
  for (let index = 0; index < topics; index += 1) await control.waitForLeaders(topicOf(index), PARTITIONS_PER_TOPIC);
  await control.close();
}

/** One record of 1 KiB to every partition: milliseconds. */
async function writeToAll(server: Server, version: number, topics: number): Promise<number> {
  const startedMs = performance.now();
  for (let index = 0; index < topics; index += 1) {
    for (let first = 0; first < PARTITIONS_PER_TOPIC; first += PARTITIONS_PER_REQUEST) {
      await writeOnce(server, version, topicOf(index), first, PARTITIONS_PER_REQUEST);
    }
  }
  return performance.now() - startedMs;
}

async function writeOnce(server: Server, version: number, topic: string, first: number, count: number): Promise<void> {
  const batch = batchOfOne(KIB);
  const partitions = Array.from({ length: count }, (_, index) => first + index);
  const ring = wideProduceRing({ version, topic, partitions, batch }, 1);
  const read = produceAnswerReader(topic, batch.length, count);
  const connection = await LoadConnection.open({ port: server.port, ring, inFlight: 1, read, limit: 1 });
  try {
    connection.start();
    await connection.drain();
  } finally {
    connection.close();
  }
}

async function startUntilReady(server: Server, topics: number): Promise<{ answerMs: number; readyMs: number }> {
  const startedMs = performance.now();
  const answerMs = await server.start();
  const control = await KafkaControl.connect(server.port);
  const version = control.versionOf(produce);
  await control.close();
  for (;;) {
    try {
      await writeOnce(server, version, topicOf(topics - 1), PARTITIONS_PER_TOPIC - 1, 1);
      return { answerMs, readyMs: performance.now() - startedMs };
    } catch (error) {
      if (performance.now() - startedMs > READY_WITHIN_MS) throw error;
      await delay(10);
    }
  }
}
