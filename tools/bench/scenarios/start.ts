import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { KafkaControl } from '../load/kafka-control';
import { batchOf } from '../load/produce-load';
import type { Server } from '../server/server';
import { setTimeout as delay } from 'node:timers/promises';
import { median } from './percentiles';
import { defaultDurability, openProducers } from './produce';
import { KIB, MEGABYTE, type Bench, type Scenario } from './scenario';
import { durabilityConfigs } from './topics';

const PARTITIONS = 6;
const BATCH_BYTES = 64 * KIB;
const IN_FLIGHT = 5;
const IDLE_SECONDS = 3;
const STARTS = 3;
const TOPIC = 'bench-start';

export const START_LINE = 'start and stop';

/** Start to the first answer to ApiVersions, after a clean stop and after kill -9 under load; memory without any load. */
export const startScenario: Scenario = {
  name: 'start',
  summary: 'start to first answer: first start, after a clean stop, after kill -9 under load; memory when idle',
  bringsServers: true,
  async run(bench) {
    for (const server of await bench.freshServers()) {
      try {
        await startLine(bench, server);
      } finally {
        await server.remove();
      }
    }
  },
};

async function startLine(bench: Bench, server: Server): Promise<void> {
  const firstStartMs = await server.start();
  await delay(IDLE_SECONDS * 1000);
  const idleMb = server.residentBytes / MEGABYTE;
  await createTopic(server);
  await loadUntil(server, bench.times.seconds, () => Promise.resolve());
  const stops: number[] = [];
  const cleanStarts: number[] = [];
  for (let each = 0; each < (bench.quick ? 1 : STARTS); each += 1) {
    stops.push(await server.end('SIGTERM'));
    cleanStarts.push(await server.start());
  }
  const crashStarts: number[] = [];
  for (let each = 0; each < (bench.quick ? 1 : STARTS); each += 1) {
    await loadUntil(server, bench.times.seconds, () => server.end('SIGKILL'));
    crashStarts.push(await server.start());
  }
  bench.record({
    line: START_LINE,
    server: server.name,
    durability: defaultDurability(server),
    metrics: {
      firstStartMs,
      idleMb,
      stopMs: median(stops),
      startAfterStopMs: median(cleanStarts),
      startAfterKillMs: median(crashStarts),
    },
  });
}

async function createTopic(server: Server): Promise<void> {
  const control = await KafkaControl.connect(server.port);
  await control.createTopic(TOPIC, PARTITIONS, durabilityConfigs(defaultDurability(server)));
  await control.close();
}

/** Produces for a while, then does `end` in the middle of it. */
async function loadUntil(server: Server, seconds: number, end: () => Promise<unknown>): Promise<void> {
  const control = await KafkaControl.connect(server.port);
  await control.waitForLeaders(TOPIC, PARTITIONS);
  const version = control.versionOf(produce);
  await control.close();
  const connections = await openProducers(() => server.port, version, TOPIC, PARTITIONS, batchOf(BATCH_BYTES, KIB), IN_FLIGHT);
  for (const each of connections) each.start();
  await delay(seconds * 1000);
  await end();
  for (const each of connections) each.close();
}
