import type { Stage } from '../stage/stage';
import type { Scenario } from './scenario';
import { RECOVERS_WITHIN_MS } from './wait';

/** The replicas of each partition one node further, so that each moves. */
function rotated(replicas: readonly number[], voters: readonly number[]): number[] {
  return replicas.map((id) => voters[(voters.indexOf(id) + 1) % voters.length] ?? id);
}

export const reassignment: Scenario = {
  name: 'reassignment',
  summary: 'every partition moves to other nodes',
  nodesMin: 5,
  needsReplicas: true,
  async cycle(stage: Stage) {
    const { load } = stage;
    await load.whenInSync(RECOVERS_WITHIN_MS);
    const before = await load.replicas();
    const wanted = new Map([...before].map(([partition, replicas]) => [partition, rotated(replicas, stage.voters)]));
    await load.reassign(wanted);
    await stage.cluster.until(
      'every partition is where it was moved to',
      async () => {
        const now = await load.replicas();
        return [...wanted].every(([partition, replicas]) => sameSet(now.get(partition) ?? [], replicas));
      },
      2 * RECOVERS_WITHIN_MS,
    );
    await load.whenInSync(RECOVERS_WITHIN_MS);
    stage.saw(`${wanted.size} partitions moved`);
    await stage.whole();
  },
};

function sameSet(one: readonly number[], other: readonly number[]): boolean {
  return [...one].sort().join() === [...other].sort().join();
}
