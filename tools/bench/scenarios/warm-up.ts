import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { batchOf, batchOfOne } from '../load/produce-load';
import { runLoad } from '../load/run-load';
import type { Server } from '../server/server';
import { openProducers, type PortOf } from './produce';
import { KIB, type Subject } from './scenario';
import { withTopic } from './topics';

export const WARM_UP_PARTITIONS = 6;
const IN_FLIGHT = 5;

/** Lets both compilers, Java's and JavaScript's, see large and small requests before anything is measured. */
export async function warmUp(server: Server, seconds: number): Promise<void> {
  await withTopic(server, { partitions: WARM_UP_PARTITIONS, durability: 'page-cache' }, (topic, control) =>
    warmUpTopic(server, () => server.port, control.versionOf(produce), topic, seconds),
  );
}

/** The same with a topic that is there. */
export async function warmUpTopic(
  { pids }: Pick<Subject, 'pids'>,
  portOf: PortOf,
  version: number,
  topic: string,
  seconds: number,
): Promise<void> {
  for (const batch of [batchOfOne(200), batchOf(16 * KIB, KIB)]) {
    const connections = await openProducers(portOf, version, topic, WARM_UP_PARTITIONS, batch, IN_FLIGHT);
    await runLoad(connections, pids, { warmUpSeconds: 0, seconds: seconds / 2 });
  }
}
