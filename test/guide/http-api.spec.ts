import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import { jsonOf } from '../kit/cluster-http';

const STATUS = '/api/v1/cluster/status';
const MEMBERS = '/api/v1/cluster/members';

/** The guide's example, as it stands there. */
const STATUS_EXAMPLE = `{
  "node_state": "Leader",
  "node_id": 1,
  "leader_id": 1,
  "committed_log_index": 42,
  "applied_log_index": 42,
  "current_term": 3,
  "voters": [1, 2, 3],
  "learners": [],
  "healthy": true,
  "health_reason": "Node is a healthy voting member with an elected leader"
}`;

const MEMBERS_EXAMPLE = `{
  "members": [
    {
      "node_id": 1,
      "raft_addr": "192.168.1.1:9093",
      "role": "voter",
      "is_leader": true,
      "broker_state": "Running",
      "advertised_addr": "192.168.1.1:9092"
    }
  ],
  "total": 3,
  "leader_id": 1
}`;

type Json = Record<string, unknown>;

/** Names and types of the fields, in their order; of a list those of its first element. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > 0 ? [shapeOf(value[0])] : ['nothing'];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.entries(value).map(([name, field]) => [name, shapeOf(field)]);
}

/** Nothing happens to the leader here, which stays the one that every answer names. */
const NO_ELECTIONS = ['--election-timeout-min-ms', '60000', '--election-timeout-max-ms', '90000'];

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3, flags: NO_ELECTIONS });
  await cluster.form();
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

describe('Cluster Health', () => {
  it('"GET /api/v1/cluster/status": "Returns the Raft state, leader information, log indices, and overall health.", with the fields of the example', async () => {
    const leader = await cluster.leader();
    const answer = await leader.get(STATUS);
    expect([answer.code, answer.type]).toEqual([200, expect.stringMatching(/^application\/json/)]);
    const body = jsonOf(answer) as Json;
    const example = JSON.parse(STATUS_EXAMPLE) as Json;
    expect(shapeOf(body)).toEqual(shapeOf(example));
    const indices = { committed_log_index: body['committed_log_index'], applied_log_index: body['applied_log_index'] };
    const known = { ...indices, current_term: body['current_term'], node_id: leader.id, leader_id: leader.id };
    expect(body).toEqual({ ...example, ...known });
  });

  it('of a follower says so: "Node is a healthy voting member with an elected leader"', async () => {
    const leader = await cluster.leader();
    for (const node of await cluster.followers()) {
      const answer = await cluster.statusOf(
        node.id,
        'has applied what is committed',
        ({ body }) => body.committed_log_index === body.applied_log_index,
      );
      expect(answer).toMatchObject({
        code: 200,
        body: {
          node_state: 'Follower',
          node_id: node.id,
          leader_id: leader.id,
          voters: [1, 2, 3],
          learners: [],
          healthy: true,
          health_reason: 'Node is a healthy voting member with an elected leader',
        },
      });
    }
  });
});

describe('Cluster Members', () => {
  it('"GET /api/v1/cluster/members", with the fields of the example', async () => {
    const leader = await cluster.leader();
    for (const node of cluster.nodes) {
      const answer = await node.get(MEMBERS);
      expect(answer.code).toBe(200);
      const body = jsonOf(answer) as Json;
      expect(shapeOf(body)).toEqual(shapeOf(JSON.parse(MEMBERS_EXAMPLE)));
      expect(body).toEqual({
        members: cluster.nodes.map(({ id, interBroker, kafka }) => ({
          node_id: id,
          raft_addr: interBroker,
          role: 'voter',
          is_leader: id === leader.id,
          broker_state: 'Running',
          advertised_addr: kafka,
        })),
        total: 3,
        leader_id: leader.id,
      });
    }
  });

  it('"POST /api/v1/cluster/members — Add a new member (must be sent to the leader)": a follower answers 409 and names the leader', async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const answer = await follower?.post(MEMBERS, { node_id: 4, raft_addr: '127.0.0.4:9093', promote_to_voter: true });
    expect([answer?.code, answer && jsonOf(answer)]).toEqual([
      409,
      { error: 'This node is not the leader', leader_id: leader.id },
    ]);
  });

  it('"DELETE /api/v1/cluster/members/{node_id} — Remove a member (must be sent to the leader)": a follower answers 409 and names the leader', async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const answer = await follower?.delete(`${MEMBERS}/3`);
    expect([answer?.code, answer && jsonOf(answer)]).toEqual([
      409,
      { error: 'This node is not the leader', leader_id: leader.id },
    ]);
  });

  it('refuses to remove the leader, which is to hand its leadership over first, and who is no member', async () => {
    const leader = await cluster.leader();
    const own = await leader.delete(`${MEMBERS}/${leader.id}`);
    expect([own.code, jsonOf(own)]).toEqual([400, { error: 'Cannot remove the current leader. Transfer leadership first.' }]);
    const nobody = await leader.delete(`${MEMBERS}/7`);
    expect([nobody.code, jsonOf(nobody)]).toEqual([404, { error: 'Node 7 is not a member of the cluster' }]);
  });

  it.each([
    [{ node_id: 0, raft_addr: '127.0.0.4:9093' }, 'node_id'],
    [{ node_id: '4', raft_addr: '127.0.0.4:9093' }, 'node_id'],
    [{ raft_addr: '127.0.0.4:9093' }, 'node_id'],
    [{ node_id: 4 }, 'raft_addr'],
    [{ node_id: 4, raft_addr: 'nowhere' }, 'raft_addr'],
    [{ node_id: 4, raft_addr: '127.0.0.4:9093', promote_to_voter: 'yes' }, 'promote_to_voter'],
  ])('says which field of %j is at fault', async (body, field) => {
    const answer = await (await cluster.leader()).post(MEMBERS, body);
    expect([400, 422]).toContain(answer.code);
    expect((jsonOf(answer) as { error: string }).error).toContain(field);
  });

  it('answers 400 to what is no JSON, and never takes a part of it', async () => {
    const answer = await (await cluster.leader()).post(MEMBERS, '{"node_id": 4');
    expect(answer.code).toBe(400);
    expect((await cluster.node(1).members()).body.total).toBe(3);
  });

  it('never blocks past its deadline where the new node is down', async () => {
    const beganMs = performance.now();
    const answer = await (await cluster.leader()).post(MEMBERS, { node_id: 4, raft_addr: '127.0.0.9:9' }, 40_000);
    expect(performance.now() - beganMs).toBeLessThan(35_000);
    expect([answer.code, jsonOf(answer)]).toEqual([500, { error: expect.stringMatching(/^Failed to add learner: /) as string }]);
    expect((await cluster.node(1).members()).body.total).toBe(3);
  });
});
