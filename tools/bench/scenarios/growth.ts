import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { LoadConnection } from '../load/load-connection';
import { batchOfOne, produceAnswerReader, produceRing, wideProduceRing } from '../load/produce-load';
import { runLoad } from '../load/run-load';
import type { Server } from '../server/server';
import { defaultDurability, measurementOf } from './produce';
import type { Bench, Scenario } from './scenario';
import { withTopic } from './topics';

const VALUE_BYTES = 200;
const OUTSTANDING = 20;
const PARTITIONS = [1, 100, 1000];
const CONNECTIONS = [1, 20, 1000];
const WIDE_IN_FLIGHT = 2;

export const TOUCHED_LINE = (partitions: number): string => `200 B a request, ${partitions} partitions in turn`;
export const WIDE_LINE = (partitions: number): string => `200 B to each of ${partitions} partitions a request`;
export const CONNECTIONS_LINE = (connections: number): string => `200 B a request, ${connections} connections in turn`;

/** How the cost of a request grows with what is touched beside it. */
export const growthScenario: Scenario = {
  name: 'growth',
  summary: 'cost per request at 1, 100 and 1,000 partitions touched and at 1, 20 and 1,000 connections',
  async run(bench) {
    for (const server of bench.servers) {
      for (const partitions of PARTITIONS) await touched(bench, server, partitions);
      for (const partitions of PARTITIONS) await wide(bench, server, partitions);
      for (const connections of CONNECTIONS) await connected(bench, server, connections);
    }
  },
};

async function touched(bench: Bench, server: Server, partitions: number): Promise<void> {
  const durability = defaultDurability(server);
  await withTopic(server, { partitions, durability }, async (topic, control) => {
    const batch = batchOfOne(VALUE_BYTES);
    const slots = Array.from({ length: Math.max(OUTSTANDING, partitions) }, (_, slot) => slot % partitions);
    const ring = produceRing({ version: control.versionOf(produce), topic, partitions: slots, batch });
    const read = produceAnswerReader(topic, batch.length);
    const connection = await LoadConnection.open({ port: server.port, ring, inFlight: OUTSTANDING, read });
    const result = await runLoad([connection], server.pids, bench.times);
    bench.record(measurementOf(TOUCHED_LINE(partitions), server, durability, result));
  });
}

async function wide(bench: Bench, server: Server, partitions: number): Promise<void> {
  const durability = defaultDurability(server);
  await withTopic(server, { partitions, durability }, async (topic, control) => {
    const batch = batchOfOne(VALUE_BYTES);
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    const ring = wideProduceRing({ version: control.versionOf(produce), topic, partitions: all, batch }, WIDE_IN_FLIGHT);
    const read = produceAnswerReader(topic, batch.length, partitions);
    const connection = await LoadConnection.open({ port: server.port, ring, inFlight: WIDE_IN_FLIGHT, read });
    const result = await runLoad([connection], server.pids, bench.times);
    const measured = measurementOf(WIDE_LINE(partitions), server, durability, result);
    const cpuMicrosPerBatch = (measured.metrics.cpuMicrosPerRequest ?? Number.NaN) / partitions;
    bench.record({ ...measured, metrics: { ...measured.metrics, cpuMicrosPerBatch } });
  });
}

/** Twenty requests are outstanding, whatever the number of connections; each answer sends the next on the next connection. */
async function connected(bench: Bench, server: Server, count: number): Promise<void> {
  const durability = defaultDurability(server);
  await withTopic(server, { partitions: 1, durability }, async (topic, control) => {
    const batch = batchOfOne(VALUE_BYTES);
    const version = control.versionOf(produce);
    const slots = Array.from({ length: OUTSTANDING }, () => 0);
    const connections: LoadConnection[] = [];
    let next = 0;
    const sendOn = (requests: number): void => {
      for (let left = requests; left > 0; left -= 1) {
        connections[next]?.sendOne();
        next = next + 1 === connections.length ? 0 : next + 1;
      }
    };
    const read = produceAnswerReader(topic, batch.length);
    for (let opened = 0; opened < count; opened += 1) {
      const ring = produceRing({ version, topic, partitions: slots, batch });
      const options = { port: server.port, ring, inFlight: OUTSTANDING, read, onAnswers: sendOn, receiveBytes: 4096 };
      connections.push(await LoadConnection.open(options));
    }
    const start = (): void => {
      for (const each of connections) each.arm();
      sendOn(OUTSTANDING);
    };
    const result = await runLoad(connections, server.pids, bench.times, start);
    bench.record(measurementOf(CONNECTIONS_LINE(count), server, durability, result));
  });
}
