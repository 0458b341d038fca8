import { WARM_UP_PARTITIONS, warmUpTopic } from '../scenarios/warm-up';
import type { Fleet } from './fleet';
import { ReplicatedTopic } from './replicated-topic';

/** Lets all processes see small and large requests, and the replication of what they bring. */
export async function warmUpFleet(fleet: Fleet, seconds: number): Promise<void> {
  await ReplicatedTopic.with(fleet, WARM_UP_PARTITIONS, (topic) =>
    warmUpTopic(fleet, topic.portOf, topic.version, topic.name, seconds),
  );
}
