import { describe, expect, it } from 'vitest';
import { planNodes } from './node-plan';
import { countsOf, type ClusterView, type NodeView } from './observe';
import { changesOf, tableOf } from './view-text';

const [first, second] = planNodes({ nodes: 2, basePort: 9092, dataDir: undefined, nodeFlags: [] }, '/d').map(
  (plan): NodeView => ({
    plan,
    pid: 100 + plan.id,
    end: undefined,
    status: {
      node_state: plan.id === 1 ? 'Leader' : 'Follower',
      node_id: plan.id,
      leader_id: 1,
      committed_log_index: 7,
      applied_log_index: 7,
      current_term: 2,
      voters: [1, 2],
      learners: [],
      healthy: true,
      health_reason: 'Node is a healthy voting member with an elected leader',
    },
  }),
);
if (!first?.status || !second) throw new Error('two nodes were planned');

const FORMED: ClusterView = {
  nodes: [first, second],
  members: {
    members: [1, 2].map((id) => ({
      node_id: id,
      raft_addr: null,
      role: 'voter',
      is_leader: id === 1,
      broker_state: 'Running',
      advertised_addr: null,
    })),
    total: 2,
    leader_id: 1,
  },
  partitions: countsOf([
    { partitions: [{ leaderId: 1, replicaNodes: [1, 2], isrNodes: [1] }] },
    {
      partitions: [
        { leaderId: 2, replicaNodes: [2, 1], isrNodes: [2, 1] },
        { leaderId: -1, replicaNodes: [2], isrNodes: [2] },
      ],
    },
  ]),
};
const KILLED: ClusterView = {
  ...FORMED,
  nodes: [first, { ...second, status: undefined, end: { code: null, signal: 'SIGKILL', lastLine: 'is ready after 300 ms' } }],
};
const STARTING: ClusterView = {
  nodes: [first, second].map((node) => ({ ...node, status: undefined })),
  members: undefined,
  partitions: undefined,
};

describe('the table of a cluster', () => {
  it('has a row for each node, and tells leader, members and partitions', () => {
    expect(tableOf(FORMED, '/d')).toBe(
      [
        'cluster: leader 1, 2 voters, 0 learners, 2 of 2 nodes healthy',
        '',
        'node  kafka           http                   raft      broker   leads  replicas  committed',
        '1     127.0.0.1:9092  http://127.0.0.1:9094  Leader    Running  1      2         7',
        '2     127.0.0.1:9192  http://127.0.0.1:9194  Follower  Running  1      3         7',
        '',
        'partitions: 3 of 2 topics, 1 without a leader, 1 under-replicated',
        'logs: /d/node*.log   ^C stops all',
      ].join('\n'),
    );
  });

  it('shows what a node ended with and logged last, and why one is not healthy', () => {
    expect(tableOf(KILLED, '/d')).toMatch(/^2 .* ended .*signal SIGKILL: is ready after 300 ms$/m);
    const waiting = { ...first, status: first.status && { ...first.status, healthy: false, health_reason: 'No leader elected' } };
    expect(tableOf({ ...FORMED, nodes: [waiting] }, '/d')).toMatch(/^1 .* No leader elected$/m);
  });
});

describe('the lines for what is no terminal', () => {
  it('tell everything once, and then only what has changed', () => {
    expect(changesOf(undefined, STARTING)).toEqual([
      'node 1: starting, process 101, Kafka 127.0.0.1:9092, http://127.0.0.1:9094',
      'node 2: starting, process 102, Kafka 127.0.0.1:9192, http://127.0.0.1:9194',
      'cluster: unknown, 0 of 2 nodes healthy',
      'partitions: unknown',
    ]);
    expect(changesOf(FORMED, FORMED)).toEqual([]);
    expect(changesOf(FORMED, KILLED)).toEqual([
      'node 2: ended with signal SIGKILL: is ready after 300 ms',
      'cluster: leader 1, 2 voters, 0 learners, 1 of 2 nodes healthy',
    ]);
  });
});
