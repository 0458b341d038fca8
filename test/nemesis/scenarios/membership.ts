import { setTimeout as pause } from 'node:timers/promises';
import { jsonOf } from '../../kit/cluster-http';
import type { Stage } from '../stage/stage';
import type { Scenario } from './scenario';
import { writesGoOn } from './wait';

const REMOVED_WITHIN_MS = 120_000;
const ASK_AGAIN_AFTER_MS = 500;
const REMOVING = 202;
const REMOVED = 200;

/** Asks for the removal until it is done: what the node holds moves away first. */
async function remove(stage: Stage, id: number): Promise<void> {
  const deadlineMs = performance.now() + REMOVED_WITHIN_MS;
  for (;;) {
    const leader = await stage.leader();
    const answer = await leader.delete(`/api/v1/cluster/members/${id}`, REMOVED_WITHIN_MS);
    if (answer.code === REMOVED) break;
    if (answer.code !== REMOVING || performance.now() > deadlineMs)
      throw new Error(`removing node ${id}: ${answer.code} ${JSON.stringify(jsonOf(answer))}`);
    await pause(ASK_AGAIN_AFTER_MS);
  }
  stage.saw(`node ${id} was removed`);
}

export const membership: Scenario = {
  name: 'membership',
  summary: 'a node joins and becomes a voter, and is removed again',
  spares: 1,
  async cycle(stage) {
    for (const id of stage.spares) {
      const node = stage.cluster.node(id);
      await node.start();
      await stage.whole([...stage.voters, id]);
      stage.saw(`node ${id} became a voter`);
      await writesGoOn(stage, []);
      await remove(stage, id);
      if (node.isRunning) await node.stop();
      await node.wipe();
      await stage.whole();
    }
  },
};
