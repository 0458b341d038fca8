import { ErrorCode } from '@streamline/core/types/error-code';
import { createTopicOn, withBroker } from '../../guide/topics';
import { batchOf } from '../../kit/broker';
import type { ClusterNode } from '../../kit/cluster-node';
import type { Stage } from '../stage/stage';
import type { Scenario } from './scenario';
import { deadBroker, RECOVERS_WITHIN_MS, writesGoOn } from './wait';

/** Its process is killed, what was not synced is gone, and it is another boot when it starts again. */
async function losePower(stage: Stage, nodes: readonly ClusterNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.kill()));
  for (const { id } of nodes) await stage.disk(id).fail();
  for (const node of nodes) {
    await stage.disk(node.id).replace();
    await stage.newBoot(node);
  }
  stage.saw(`power loss: what nodes ${nodes.map(({ id }) => id).join(', ')} had not synced is gone`);
}

export const powerLoss: Scenario = {
  name: 'power-loss',
  summary: 'all nodes lose power at once: what was not synced is gone, and it is another boot',
  needsDisks: true,
  async cycle(stage) {
    const { running } = stage.cluster;
    await losePower(stage, running);
    await stage.cluster.start(...stage.voters);
    await stage.whole();
  },
};

export const powerLossOne: Scenario = {
  name: 'power-loss-one',
  summary: 'one node loses power: leaders and followers in turn',
  needsDisks: true,
  async cycle(stage, turn) {
    const node = turn % 2 === 0 ? await stage.leader() : await stage.follower();
    await losePower(stage, [node]);
    await writesGoOn(stage, [node]);
    await node.start();
    await stage.whole();
  },
};

export const wipedDisk: Scenario = {
  name: 'wiped-disk',
  summary: 'a node that follows is killed and comes back under its id with an empty disk',
  needsReplicas: true,
  async cycle(stage) {
    await stage.load.whenInSync(RECOVERS_WITHIN_MS);
    const follower = await stage.follower();
    await follower.kill();
    await deadBroker(stage, await stage.leader(), follower.id);
    await follower.wipe();
    stage.saw(`the data of node ${follower.id} was deleted`);
    await follower.start();
    await stage.whole();
    await stage.load.whenInSync(RECOVERS_WITHIN_MS);
  },
};

export const failingDisk: Scenario = {
  name: 'fsync-error',
  summary: 'every write and sync of one node fails; its disk is found as it was synced when the node starts again',
  needsDisks: true,
  async cycle(stage, turn) {
    const node = turn % 2 === 0 ? await stage.leader() : await stage.follower();
    await stage.disk(node.id).fail();
    const { code } = await node.command.end(RECOVERS_WITHIN_MS);
    if (code === 0) throw new Error(`node ${node.id} stopped without an error:\n${node.tail()}`);
    stage.saw(`node ${node.id} ended with ${code}: its disk failed`);
    await writesGoOn(stage, [node]);
    await stage.disk(node.id).replace();
    await node.start();
    await stage.whole();
  },
};

export const fullDisk: Scenario = {
  name: 'disk-full',
  summary: "a follower's disk is full, then has space again",
  needsDisks: true,
  async cycle(stage, turn) {
    const node = await stage.follower();
    const probe = `full-${turn}`;
    await createTopicOn(node.id, node, probe);
    const answer = () => withBroker(node, async (broker) => (await broker.tryProduce(probe, 0, batchOf(['x']))).errorCode);
    await stage.disk(node.id).fill();
    await stage.cluster.until(
      `node ${node.id} refuses writes`,
      async () => (await answer()) === ErrorCode.KAFKA_STORAGE_ERROR,
      RECOVERS_WITHIN_MS,
    );
    stage.saw(`node ${node.id} refused a write since its disk is full`);
    await writesGoOn(stage, [node]);
    await stage.disk(node.id).free();
    await stage.cluster.until(
      `node ${node.id} takes writes again`,
      async () => (await answer()) === ErrorCode.NONE,
      RECOVERS_WITHIN_MS,
    );
    await stage.whole();
  },
};
