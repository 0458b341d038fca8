import type { AlterPartitionEffect } from '@streamline/core/replication/effects';
import { Violation } from '@streamline/testing/raft/violation';
import type { PartitionState } from '../controller-model';
import type { Observer, SeenReplica } from '../observer';

/** ISR and ELR are disjoint subsets of the replicas, the leader is in the ISR, epochs grow, and nothing is dropped before it is copied. */
export class IsrRules implements Observer {
  proposed({ broker, core }: SeenReplica, { newIsr }: AlterPartitionEffect): void {
    const replicas = new Set([broker, ...core.followers.map(({ id }) => id)]);
    const ids = newIsr.map(({ nodeId }) => nodeId as number);
    if (ids.every((id) => replicas.has(id)) && ids.includes(broker) && new Set(ids).size === ids.length) return;
    throw new Violation(
      'isr-rules',
      `broker ${broker} proposes [${ids.join(' ')}], its replicas are [${[...replicas].join(' ')}]`,
    );
  }

  changed(partition: number, before: PartitionState, after: PartitionState): void {
    const { replicas, isr, elr, leader } = after;
    const isSound =
      isr.every((id) => replicas.includes(id)) &&
      elr.every((id) => replicas.includes(id) && !isr.includes(id)) &&
      (leader === undefined || isr.includes(leader)) &&
      after.leaderEpoch >= before.leaderEpoch &&
      (leader === before.leader || after.leaderEpoch > before.leaderEpoch) &&
      after.partitionEpoch === before.partitionEpoch + 1;
    if (!isSound) throw new Violation('isr-rules', `partition ${partition} became ${JSON.stringify(after)}`);
    const isDropped = before.replicas.some((id) => !replicas.includes(id));
    if (isDropped && !before.adding.every((id) => isr.includes(id))) {
      throw new Violation('isr-rules', `partition ${partition} dropped replicas before the new ones were in sync`);
    }
  }
}
