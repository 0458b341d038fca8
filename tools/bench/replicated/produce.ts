import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchOf } from '../load/produce-load';
import { runLoad, runWrites } from '../load/run-load';
import {
  BATCH_KIB,
  defaultDurability,
  IN_FLIGHT,
  measurementOf,
  openProducers,
  PRODUCE_LINE,
  RECORD_BYTES,
} from '../scenarios/produce';
import { KIB, type Bench, type Scenario } from '../scenarios/scenario';
import type { Fleet } from './fleet';
import { REPLICAS, ReplicatedTopic } from './replicated-topic';

/** The load of the single node's scenario, to the leaders of partitions with three replicas. */
export const replicatedProduce: Scenario<Fleet> = {
  name: 'produce',
  summary: '16, 64 and 256 KiB batches of 1 KiB records, 5 in flight on one connection per partition',
  async run(bench) {
    for (const partitions of bench.partitionCounts) {
      for (const kib of BATCH_KIB) {
        for (const fleet of bench.servers) await produceLine(bench, fleet, partitions, kib);
      }
    }
  },
};

async function produceLine(bench: Bench<Fleet>, fleet: Fleet, partitions: number, kib: number): Promise<void> {
  const batch = batchOf(kib * KIB, RECORD_BYTES);
  await ReplicatedTopic.with(fleet, partitions, async (topic) => {
    const connections = await openProducers(topic.portOf, topic.version, topic.name, partitions, batch, IN_FLIGHT);
    const result = await (bench.coldMemory
      ? runLoad(connections, fleet.pids, bench.times)
      : runWrites(connections, fleet.pids, bench.times, REPLICAS));
    const expected = connections.reduce((sum, each) => sum + each.answered, 0) * readBatchHeader(batch).recordCount;
    const found = await topic.records();
    if (found !== expected) throw new Error(`${expected} records were acknowledged, ${found} are there`);
    bench.record(measurementOf(PRODUCE_LINE(kib, partitions), fleet, defaultDurability(fleet), result));
  });
}
