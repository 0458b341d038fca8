import { setTimeout as pause } from 'node:timers/promises';
import { createTopic, topicsAt } from '../../guide/topics';
import type { ClusterNode } from '../../kit/cluster-node';
import { SNAPSHOT_INTERVAL, type Stage } from '../stage/stage';
import type { Scenario } from './scenario';
import { deadBroker, longerThanASession, newLeader, writesGoOn } from './wait';

const STARTS_APART_MS = 1_500;

function others(stage: Stage, node: ClusterNode): ClusterNode[] {
  return stage.cluster.running.filter((other) => other !== node);
}

async function kill(stage: Stage, node: ClusterNode): Promise<void> {
  const { signal } = await node.kill();
  if (signal === 'SIGKILL') stage.saw(`the process of node ${node.id} was killed`);
}

export const leaderKill: Scenario = {
  name: 'leader-kill',
  summary: 'kill -9 of the node that leads the consensus',
  async cycle(stage) {
    const leader = await stage.leader();
    await kill(stage, leader);
    await newLeader(stage, others(stage, leader), leader);
    await writesGoOn(stage, [leader]);
    await leader.start();
    await stage.whole();
  },
};

export const followerKill: Scenario = {
  name: 'follower-kill',
  summary: 'kill -9 of a node that follows',
  async cycle(stage) {
    const follower = await stage.follower();
    await kill(stage, follower);
    await deadBroker(stage, await stage.leader(), follower.id);
    await writesGoOn(stage, [follower]);
    await follower.start();
    await stage.whole();
  },
};

export const pauseNode: Scenario = {
  name: 'pause',
  summary: 'SIGSTOP for longer than the session, then SIGCONT: leaders and followers in turn',
  async cycle(stage, turn) {
    const node = turn % 2 === 0 ? await stage.leader() : await stage.follower();
    const [witness] = others(stage, node);
    node.freeze();
    try {
      await longerThanASession();
      if (witness !== undefined) await deadBroker(stage, witness, node.id);
      await writesGoOn(stage, [node]);
    } finally {
      node.thaw();
    }
    await stage.whole();
  },
};

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  summary: 'SIGTERM and start of every node, one after the other',
  async cycle(stage) {
    for (const id of stage.voters) {
      const node = stage.cluster.node(id);
      const { code } = await node.stop();
      if (code !== 0) throw new Error(`node ${id} ended with ${code}:\n${node.tail()}`);
      await writesGoOn(stage, [node]);
      await node.start();
      await stage.whole();
    }
    stage.saw(`every node stopped by itself and came back`);
  },
};

export const fullKill: Scenario = {
  name: 'full-kill',
  summary: 'kill -9 of all nodes at once, started again in any order',
  async cycle(stage) {
    const { running } = stage.cluster;
    await Promise.all(running.map((node) => kill(stage, node)));
    for (const node of shuffled(running)) {
      await node.start();
      await pause(Math.random() * STARTS_APART_MS);
    }
    await stage.whole();
  },
};

export const snapshotRejoin: Scenario = {
  name: 'snapshot-rejoin',
  summary: 'a node that was killed misses so much of the metadata that it needs a snapshot when it comes back',
  async cycle(stage, turn) {
    const follower = await stage.follower();
    await kill(stage, follower);
    const leader = await stage.leader();
    const before = (await leader.shown()).body.committed_log_index ?? Number.NaN;
    const missed = Array.from({ length: 4 * SNAPSHOT_INTERVAL }, (_, index) => `missed-${turn}-${index}`);
    for (const name of missed) await createTopic(leader, name);
    const behind = ((await leader.shown()).body.committed_log_index ?? Number.NaN) - before;
    if (behind > 3 * SNAPSHOT_INTERVAL) stage.saw(`node ${follower.id} missed ${behind} entries, of which most are purged`);
    await follower.start();
    await stage.whole();
    await stage.cluster.until(`node ${follower.id} has what it missed`, async () => {
      const known = await topicsAt(follower);
      return missed.every((name) => known.has(name));
    });
  },
};

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((one, other) => one.at - other.at)
    .map(({ item }) => item);
}
