import { LATENCY_LOADS, measureLatency } from '../scenarios/latency';
import { defaultDurability } from '../scenarios/produce';
import type { Scenario } from '../scenarios/scenario';
import type { Fleet } from './fleet';
import { ReplicatedTopic } from './replicated-topic';

export const replicatedLatency: Scenario<Fleet> = {
  name: 'latency',
  summary: 'one record of 1 KiB, one in flight, alone and beside 64 KiB batches: p50, p99, p99.9',
  async run(bench) {
    for (const load of LATENCY_LOADS) {
      for (const fleet of bench.servers) {
        await ReplicatedTopic.with(fleet, 1 + load.loadPartitions, (topic) => {
          const target = { topic: topic.name, version: topic.version, portOf: topic.portOf };
          return measureLatency(bench, fleet, defaultDurability(fleet), load, target);
        });
      }
    }
  },
};
