import type { NodeId } from '../types/ids';
import type { PartitionImage } from './image';
import type { ElectionRules } from './leadership';
import { keepOnly, lead } from './leadership';
import type { Standing } from './partition-standing';
import { difference, standingOf } from './partition-standing';
import type { PartitionChangeRecord } from './records';

/** The replicas that a partition has once its move is through; all, where none is under way. */
export function targetOf({
  replicas,
  removingReplicas,
}: Pick<PartitionImage, 'replicas' | 'removingReplicas'>): readonly NodeId[] {
  return removingReplicas.length === 0 ? replicas : replicas.filter((each) => !removingReplicas.includes(each));
}

export function isMoving({ addingReplicas, removingReplicas }: PartitionImage): boolean {
  return addingReplicas.length + removingReplicas.length > 0;
}

/**
 * Begins to move the partition to `target`, the preferred leader first: what is added is copied to before anything is dropped. What an
 * earlier move was adding and nobody wants any more is dropped at once, if all that was acknowledged is elsewhere.
 * Undefined where nothing changes.
 */
export function moved(
  partition: PartitionImage,
  target: readonly NodeId[],
  rules: ElectionRules,
): PartitionChangeRecord | undefined {
  const { replicas, addingReplicas } = partition;
  const original = replicas.filter((each) => !addingReplicas.includes(each));
  const unwanted = addingReplicas.filter((each) => !target.includes(each));
  const dropped = unwanted.length > 0 && holdsWithout(partition, unwanted) ? unwanted : [];
  const removing = replicas.filter((each) => !target.includes(each) && !dropped.includes(each));
  const standing = standingOf(partition);
  standing.addingReplicas = target.filter((each) => !original.includes(each));
  standing.removingReplicas = removing;
  keepOnly(standing, [...target, ...removing], rules);
  return settled(partition, standing, rules);
}

/**
 * The partition as it was before its move. Undefined: that needs a replica that may lack acknowledged records, which is for
 * unclean election only.
 */
export function moveCancelled(partition: PartitionImage, rules: ElectionRules): PartitionChangeRecord | undefined {
  const { replicas, addingReplicas } = partition;
  if (!rules.uncleanElection && !holdsWithout(partition, addingReplicas)) return undefined;
  const standing = standingOf(partition);
  standing.addingReplicas = [];
  standing.removingReplicas = [];
  keepOnly(
    standing,
    replicas.filter((each) => !addingReplicas.includes(each)),
    rules,
  );
  return settled(partition, standing, rules);
}

function settled(partition: PartitionImage, standing: Standing, rules: ElectionRules): PartitionChangeRecord | undefined {
  lead(standing, rules);
  return difference(partition, standing);
}

/** Everything that was acknowledged is on a replica that is not among `dropped`; or nobody knows where it is anyway. */
function holdsWithout({ isr, elr }: PartitionImage, dropped: readonly NodeId[]): boolean {
  const complete = [...isr, ...elr];
  return complete.length === 0 || complete.some((each) => !dropped.includes(each));
}
