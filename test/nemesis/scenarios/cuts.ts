import type { ClusterNode } from '../../kit/cluster-node';
import type { Stage } from '../stage/stage';
import type { Scenario } from './scenario';
import { deadBroker, longerThanASession, newLeader, writesGoOn } from './wait';

function others(stage: Stage, ...nodes: readonly ClusterNode[]): ClusterNode[] {
  return stage.cluster.running.filter((node) => !nodes.includes(node));
}

/** Knows by itself that it is alone. */
async function alone(stage: Stage, node: ClusterNode): Promise<void> {
  await stage.cluster.statusOf(node.id, 'knows no leader', ({ body }) => body.leader_id === null && !body.healthy);
  stage.saw(`node ${node.id} knows of no leader`);
}

export const leaderIsolated: Scenario = {
  name: 'leader-isolated',
  summary: 'the leader is cut off from the other nodes, and not from clients',
  async cycle(stage) {
    const leader = await stage.leader();
    await stage.network.cut(leader.id);
    await newLeader(stage, others(stage, leader), leader);
    await alone(stage, leader);
    await longerThanASession();
    await writesGoOn(stage, [leader]);
    await stage.network.heal();
    await stage.whole();
  },
};

export const followerIsolated: Scenario = {
  name: 'follower-isolated',
  summary: 'a follower is cut off from the other nodes, and not from clients',
  async cycle(stage) {
    const follower = await stage.follower();
    await stage.network.cut(follower.id);
    await alone(stage, follower);
    await deadBroker(stage, await stage.cluster.leader(others(stage, follower)), follower.id);
    await writesGoOn(stage, [follower]);
    await stage.network.heal();
    await stage.whole();
  },
};

export const minority: Scenario = {
  name: 'minority',
  summary: 'two of five, the leader among them, are cut off from the three',
  nodesMin: 5,
  async cycle(stage) {
    const [leader, follower] = [await stage.leader(), await stage.follower()];
    await stage.network.cut(leader.id, follower.id);
    await newLeader(stage, others(stage, leader, follower), leader);
    await alone(stage, leader);
    await alone(stage, follower);
    await longerThanASession();
    await writesGoOn(stage, [leader, follower]);
    await stage.network.heal();
    await stage.whole();
  },
};

export const oneWay: Scenario = {
  name: 'one-way-cut',
  summary: 'the leader hears the others and is not heard, then is heard and does not hear',
  async cycle(stage, turn) {
    const leader = await stage.leader();
    const rest = others(stage, leader);
    const isMute = turn % 2 === 0;
    await Promise.all(
      rest.map(({ id }) => (isMute ? stage.network.cutOneWay(leader.id, id) : stage.network.cutOneWay(id, leader.id))),
    );
    await newLeader(stage, rest, leader);
    await longerThanASession();
    await writesGoOn(stage, [leader]);
    await stage.network.heal();
    await stage.whole();
  },
};
