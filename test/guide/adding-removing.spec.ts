import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import { jsonOf, type HttpAnswer } from '../kit/cluster-http';
import type { ClusterNode } from '../kit/cluster-node';
import { StatusWatch, untruths } from '../kit/cluster-watch';
import { createTopic, createTopicOn, TopicMaker, topicsAt } from './topics';

const MEMBERS = '/api/v1/cluster/members';
const TOPICS_WHILE_ADDING = 5;
const LEARNER = 'Node is a learner, not yet a voting member';
const STAYING_LEARNER = 'Node is a learner that is to stay one, caught up with an elected leader';
/** Started empty and without seeds, as the second option has it. */
const WAITING = ['--bootstrap', 'never'];

/** No member: a leader answers 404. */
const NOBODY = 7;
const NOT_LEADER = 'This node is not the leader';

type Answer = readonly [code: number, body: unknown];

let cluster: Cluster;
/** Voters from beginning to end. */
let core: ClusterNode[];
beforeAll(async () => {
  // Node 4 is told of a member that may not be the leader, node 5 of nobody.
  const seedsOf = (id: number): number[] => (id === 2 || id === 3 ? [1] : id === 4 ? [2] : []);
  cluster = await Cluster.onLoopback({ nodes: 5, seedsOf });
  core = [1, 2, 3].map((id) => cluster.node(id));
  await cluster.form(1, 2, 3);
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

function isRefused(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
}

/** The leader, which is made one of the nodes that stay. */
async function coreLeader(): Promise<ClusterNode> {
  const shown = await cluster.statusOf(1, 'knows the leader', ({ body }) => body.leader_id !== null);
  const leader = cluster.node(shown.body.leader_id ?? 1);
  if (!core.includes(leader)) {
    const answer = await leader.post('/api/v1/cluster/leader', { node_id: 1 });
    expect(answer.code, answer.text).toBe(200);
  }
  return cluster.leader(core);
}

/** The answer of the leader, whoever it is by the time that it is asked. */
function leaderAnswers(ask: (leader: ClusterNode) => Promise<HttpAnswer>): Promise<Answer> {
  return cluster.until('the leader answers', async () => {
    const answer = await ask(await coreLeader());
    return !answer.text.includes(NOT_LEADER) && ([answer.code, jsonOf(answer)] as const);
  });
}

function add(body: object): Promise<Answer> {
  return leaderAnswers((leader) => leader.post(MEMBERS, body));
}

function remove(id: number, query = ''): Promise<Answer> {
  return leaderAnswers((leader) => leader.delete(`${MEMBERS}/${id}${query}`));
}

/** Starts node 5 empty, so that it waits to be added. */
async function startWaiting(): Promise<ClusterNode> {
  const node = cluster.node(5);
  await node.wipe();
  await node.start([...node.plan.flags, ...WAITING]);
  const { body } = await cluster.statusOf(5, 'waits', (answer) => !answer.body.healthy);
  expect(body).toMatchObject({ leader_id: null, voters: [], learners: [] });
  return node;
}

describe('Adding/Removing Nodes', () => {
  it('"Option 1: Start the node with --seed-nodes pointing to an existing member", under load', async () => {
    const watch = new StatusWatch(core);
    const maker = new TopicMaker(core, 'adding');
    await cluster.form(4);
    const before = maker.made;
    await cluster.until('topics are created', () => Promise.resolve(maker.made >= before + TOPICS_WHILE_ADDING));
    const made = await maker.stop();
    await cluster.until('it has all topics', async () => {
      const known = await topicsAt(cluster.node(4));
      return made.every((name) => known.has(name));
    });
    expect(untruths(await watch.stop())).toEqual([]);
    await createTopicOn(4, cluster.node(1), 'on-node-4');
  });

  it('"Graceful removal via API (must target the leader)": 202 while its replicas move to others, 200 when it is gone; then it serves no clients any more, and says so', async () => {
    const removing = { node_id: 4, status: 'removing', partitions_left: expect.any(Number) as number };
    expect(await remove(4)).toMatchObject([202, removing]);
    const removed = async (): Promise<Answer | undefined> => {
      const answer = await remove(4);
      return answer[0] === 202 ? undefined : answer;
    };
    expect(await cluster.until('its replicas have moved', removed)).toMatchObject([200, { node_id: 4, status: 'removed' }]);
    const { code, body } = await cluster.statusOf(4, 'says so', (answer) => /removed/.test(answer.body.health_reason));
    expect([code, body.healthy, body.node_state]).toEqual([503, false, 'Shutdown']);
    expect(body.health_reason).toContain('streamline --cluster-node-id 4 --seed-nodes');
    await cluster.until('it serves no clients', () => topicsAt(cluster.node(4)).then(() => false, isRefused));
    await cluster.node(4).stop();
    await cluster.formed([1, 2, 3]);
    expect((await cluster.node(1).members()).body.total).toBe(3);
  });

  it('"Option 2: Use the HTTP API from the leader": 201 voter, for a node that was started empty with --bootstrap never', async () => {
    const { interBroker } = await startWaiting();
    const added = { node_id: 5, raft_addr: interBroker, status: 'voter' };
    expect(await add({ node_id: 5, raft_addr: interBroker })).toEqual([201, added]);
    await cluster.formed([1, 2, 3, 5]);
  });

  it('removes a node that holds nothing at once: 200 {node_id, status "removed"}', async () => {
    expect(await remove(5)).toEqual([200, { node_id: 5, status: 'removed' }]);
    await cluster.node(5).stop();
    await cluster.formed([1, 2, 3]);
  });

  it('"Learner: Receives Raft log but cannot vote; used during node provisioning": with promote_to_voter false it stays one, and is healthy with a reason of its own', async () => {
    const node = await startWaiting();
    const wish = { node_id: 5, raft_addr: node.interBroker, promote_to_voter: false };
    expect(await add(wish)).toEqual([201, { node_id: 5, raft_addr: node.interBroker, status: 'learner' }]);
    const { code, body } = await cluster.statusOf(5, 'is healthy', (answer) => answer.body.healthy);
    expect(body).toMatchObject({ node_state: 'Learner', voters: [1, 2, 3], learners: [5], health_reason: STAYING_LEARNER });
    expect([code, body.health_reason === LEARNER]).toEqual([200, false]);
    await createTopicOn(1, cluster.node(1), 'for-the-learner');
    await cluster.until('it has received the log', async () => (await topicsAt(node)).has('for-the-learner'));
    const { members } = (await cluster.node(1).members()).body;
    expect(members.at(-1)).toMatchObject({ node_id: 5, role: 'learner', is_leader: false });
  });

  it('does not count a learner: with one voter of three left there is no majority, though two nodes run', async () => {
    const leader = await coreLeader();
    const others = core.filter((node) => node !== leader);
    await Promise.all(others.map((node) => node.kill()));
    await cluster.statusOf(leader.id, 'knows no leader', ({ body }) => body.leader_id === null);
    await cluster.start(...others.map(({ id }) => id));
    for (const { id } of core) await cluster.statusOf(id, 'is healthy', ({ body }) => body.healthy);
  });

  it('"Leader (Controller): Manages cluster metadata, handles membership changes, coordinates topic creation": nobody else changes members, and what others are asked to create the leader commits', async () => {
    const leader = await coreLeader();
    const followers = cluster.running.filter((node) => node !== leader);
    for (const node of followers) {
      const answer = await node.delete(`${MEMBERS}/${NOBODY}`);
      expect([answer.code, jsonOf(answer)]).toEqual([409, { error: NOT_LEADER, leader_id: leader.id }]);
    }
    const before = (await leader.shown()).body.committed_log_index ?? Number.NaN;
    await createTopic(followers[0] ?? leader, 'coordinated');
    await cluster.statusOf(leader.id, 'has committed it', ({ body }) => (body.committed_log_index ?? 0) > before);
    expect(await remove(5, '?force=true')).toMatchObject([200, { node_id: 5, status: 'removed' }]);
    await cluster.node(5).stop();
  });

  it('refuses a node that has begun a cluster of its own, and names --bootstrap never', async () => {
    const node = cluster.node(5);
    await node.wipe();
    await node.start();
    await cluster.statusOf(5, 'is a cluster of its own', ({ body }) => body.healthy);
    expect(await add({ node_id: 5, raft_addr: node.interBroker })).toEqual([
      409,
      { error: expect.stringContaining('--bootstrap never') as string },
    ]);
    expect((await cluster.node(1).members()).body.total).toBe(3);
  });
});
