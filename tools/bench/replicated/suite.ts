import type { Suite } from '../scenarios/scenario';
import { KafkaServer } from '../server/kafka-server';
import { StreamlineServer } from '../server/streamline-server';
import { replicatedSections } from './bar';
import { catchUpScenario } from './catch-up';
import { failoverScenario } from './failover';
import { Fleet } from './fleet';
import { replicatedLatency } from './latency';
import { replicatedPartitions } from './partitions';
import { replicatedProduce } from './produce';
import { REPLICAS } from './replicated-topic';
import { warmUpFleet } from './warm-up';

/** Three nodes of ours beside three brokers, all of whose topics have three replicas. */
export const replicatedSuite: Suite<Fleet> = {
  scenarios: [replicatedProduce, replicatedLatency, failoverScenario, catchUpScenario, replicatedPartitions],
  quick: ['produce', 'latency', 'failover'],
  sections: replicatedSections,
  async create({ root, streamline, main, profileDir, kafkaJars }) {
    const fleets: Fleet[] = [];
    if (streamline) {
      const nodes = await StreamlineServer.createCluster({ root, profileDir, main }, REPLICAS);
      fleets.push(new Fleet('streamline', nodes));
    }
    if (kafkaJars !== undefined) fleets.push(new Fleet('kafka', await KafkaServer.createCluster(kafkaJars, REPLICAS)));
    return fleets;
  },
  warmUp: warmUpFleet,
};
