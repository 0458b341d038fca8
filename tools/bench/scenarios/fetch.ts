import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { fetchLoad } from '../load/fetch-load';
import { LoadConnection } from '../load/load-connection';
import { batchOf, produceAnswerReader, produceRing } from '../load/produce-load';
import { runLoad } from '../load/run-load';
import type { Server } from '../server/server';
import { measurementOf } from './produce';
import { KIB, type Bench, type Scenario } from './scenario';
import { withTopic } from './topics';

const BATCH_BYTES = 64 * KIB;
const RECORDS_PER_BATCH = 64;
const BATCHES_PER_PARTITION = 1024;
const FETCH_KIB = [64, 1024];
const IN_FLIGHT = 5;
const RECEIVE_BYTES = 512 * KIB;

export const FETCH_LINE = (kib: number, partitions: number): string =>
  `fetch ${kib === 1024 ? '1 MiB' : `${kib} KiB`}, ${partitions} partition${partitions === 1 ? '' : 's'}`;

/** Reads 64 MiB of each partition over and over: from the page cache, but more than a server keeps in its own memory. */
export const fetchScenario: Scenario = {
  name: 'fetch',
  summary: '64 KiB and 1 MiB a request, 5 in flight on one connection per partition',
  async run(bench) {
    const partitions = Math.max(...bench.partitionCounts);
    for (const server of bench.servers) {
      await withTopic(server, { partitions, durability: 'page-cache' }, async (topic, control) => {
        const batch = batchOf(BATCH_BYTES, KIB);
        await fill(server, topic, partitions, control.versionOf(produce), batch);
        for (const count of bench.partitionCounts) {
          for (const kib of FETCH_KIB) await fetchLine(bench, server, topic, control.versionOf(fetch), count, kib, batch.length);
        }
      });
    }
  },
};

async function fill(server: Server, topic: string, partitions: number, version: number, batch: Buffer): Promise<void> {
  const read = produceAnswerReader(topic, batch.length);
  for (let partition = 0; partition < partitions; partition += 1) {
    const slots = Array.from({ length: IN_FLIGHT }, () => partition);
    const ring = produceRing({ version, topic, partitions: slots, batch });
    const options = { port: server.port, ring, inFlight: IN_FLIGHT, read, limit: BATCHES_PER_PARTITION };
    const connection = await LoadConnection.open(options);
    connection.start();
    await connection.drain();
    connection.close();
  }
}

async function fetchLine(
  bench: Bench,
  server: Server,
  topic: string,
  version: number,
  partitions: number,
  kib: number,
  batchBytes: number,
): Promise<void> {
  const plans = Array.from({ length: partitions }, (_, partition) => ({
    ...{ version, topic, partition, batchBytes },
    ...{ batches: BATCHES_PER_PARTITION, recordsPerBatch: RECORDS_PER_BATCH },
    ...{ maxBytes: kib * KIB, inFlight: IN_FLIGHT },
  }));
  const connections = await Promise.all(
    plans.map((plan) => {
      const { ring, prepare, read } = fetchLoad(plan);
      return LoadConnection.open({ port: server.port, ring, inFlight: IN_FLIGHT, read, prepare, receiveBytes: RECEIVE_BYTES });
    }),
  );
  const result = await runLoad(connections, server.pids, bench.times);
  bench.record(measurementOf(FETCH_LINE(kib, partitions), server, 'page-cache', result));
}
