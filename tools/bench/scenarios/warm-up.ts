import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { batchOf, batchOfOne } from '../load/produce-load';
import { runLoad } from '../load/run-load';
import type { Server } from '../server/server';
import { openProducers } from './produce';
import { KIB } from './scenario';
import { withTopic } from './topics';

const PARTITIONS = 6;
const IN_FLIGHT = 5;

/** Lets both compilers, Java's and JavaScript's, see large and small requests before anything is measured. */
export async function warmUp(server: Server, seconds: number): Promise<void> {
  await withTopic(server, { partitions: PARTITIONS, durability: 'page-cache' }, async (topic, control) => {
    for (const batch of [batchOfOne(200), batchOf(16 * KIB, KIB)]) {
      const connections = await openProducers(server, control.versionOf(produce), topic, PARTITIONS, batch, IN_FLIGHT);
      await runLoad(connections, server.pids, { warmUpSeconds: 0, seconds: seconds / 2 });
    }
  });
}
