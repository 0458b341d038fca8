import { sections } from '../report/bar';
import { KafkaServer } from '../server/kafka-server';
import type { Server } from '../server/server';
import { StreamlineServer } from '../server/streamline-server';
import { clientScenario } from './client';
import { fetchScenario } from './fetch';
import { growthScenario } from './growth';
import { latencyScenario } from './latency';
import { partitionsScenario } from './partitions';
import { produceScenario, smallScenario } from './produce';
import type { Suite } from './scenario';
import { startScenario } from './start';
import { warmUp } from './warm-up';

/** One node of ours beside one broker. */
export const singleSuite: Suite<Server> = {
  scenarios: [
    startScenario,
    partitionsScenario,
    produceScenario,
    smallScenario,
    latencyScenario,
    fetchScenario,
    growthScenario,
    clientScenario,
  ],
  quick: ['produce', 'small', 'latency', 'fetch', 'start'],
  sections,
  async create({ root, streamline, main, profileDir, kafkaJars }) {
    const servers: Server[] = [];
    if (streamline) servers.push(await StreamlineServer.create({ root, profileDir, main }));
    if (kafkaJars !== undefined) servers.push(await KafkaServer.create(kafkaJars));
    return servers;
  },
  warmUp,
};
