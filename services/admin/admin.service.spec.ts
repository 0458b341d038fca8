import { describe, expect, it, vi } from 'vitest';
import { ROLES } from '@streamline/platform/config/roles';
import { PortError } from '@streamline/wire/contracts/port-error';
import { adminPort, AdminService } from './admin.service';
import { broker, CLUSTER, options, progress, quorum, ready, replica, rolePort } from './fixtures';

function statusWith(over: Parameters<typeof quorum>[0]) {
  return new AdminService(options({ controller: { getQuorumStatus: async () => quorum(over) } })).clusterStatus();
}

describe('GET /api/v1/cluster/status', () => {
  it('has the fields of the guide for a healthy node', async () => {
    expect(await new AdminService(options()).clusterStatus()).toEqual({
      node_state: 'Leader',
      node_id: 1,
      leader_id: 1,
      committed_log_index: 42,
      applied_log_index: 42,
      current_term: 3,
      voters: [1],
      learners: [],
      healthy: true,
      health_reason: 'Node is a healthy voting member with an elected leader',
    });
  });

  it.each([
    [{ nodeState: 'Candidate', leaderId: undefined }, 'No leader elected — cluster may be starting or partitioned'],
    [{ nodeState: 'Learner', voters: [2], learners: [1], leaderId: 2 }, 'Node is a learner, not yet a voting member'],
    [{ nodeState: 'Follower', voters: [2, 3], leaderId: 2 }, 'Node is not a member of the cluster'],
    [
      { nodeState: 'Learner', voters: [2], learners: [1], leaderId: undefined },
      'No leader elected — cluster may be starting or partitioned',
    ],
    [{ nodeState: 'Shutdown' }, 'Node is shutting down'],
    [{ committedLogIndex: 143 }, 'Node is lagging: 101 committed entries of the metadata log are not applied yet'],
  ])('tells why a node is not healthy: %j', async (over, reason) => {
    const body = await statusWith(over);
    expect([body.healthy, body.health_reason]).toEqual([false, reason]);
    expect(body.node_state).toBe('nodeState' in over ? over.nodeState : 'Leader');
    expect(body.leader_id).toBe('leaderId' in over ? (over.leaderId ?? null) : 1);
  });

  it('tells what a node outside of a cluster waits for, and of the log nothing', async () => {
    const outside = { nodeState: '', leaderId: undefined, voters: [], committedLogIndex: 0, appliedLogIndex: 0, currentTerm: 0 };
    expect(await statusWith({ ...outside, formationNote: 'waiting for a seed node: 192.168.1.1:9093 (refused)' })).toEqual({
      node_state: null,
      node_id: 1,
      leader_id: null,
      committed_log_index: null,
      applied_log_index: null,
      current_term: null,
      voters: [],
      learners: [],
      healthy: false,
      health_reason: 'Node is not part of a cluster: waiting for a seed node: 192.168.1.1:9093 (refused)',
    });
  });

  it('tells that a node was removed, which also is what shut it down', async () => {
    const removed = 'Node was removed from the cluster: start it with an empty --data-dir to join again';
    const outside = { leaderId: undefined, voters: [], committedLogIndex: 0, appliedLogIndex: 19, currentTerm: 0 };
    expect(await statusWith({ ...outside, nodeState: 'Shutdown', formationNote: removed })).toMatchObject({
      ...{ node_state: 'Shutdown', healthy: false, health_reason: removed },
      ...{ committed_log_index: null, applied_log_index: 19, current_term: null },
    });
  });

  it('is healthy as a learner that is to stay one, once it is caught up', async () => {
    const learner = {
      nodeState: 'Learner',
      voters: [2],
      learners: [1],
      leaderId: 2,
      members: [progress(2), progress(1, { isVoter: false, staysLearner: true })],
    };
    expect(await statusWith(learner)).toMatchObject({
      node_state: 'Learner',
      healthy: true,
      health_reason: 'Node is a learner that is to stay one, caught up with an elected leader',
    });
    expect(await statusWith({ ...learner, committedLogIndex: 143 })).toMatchObject({
      healthy: false,
      health_reason: 'Node is lagging: 101 committed entries of the metadata log are not applied yet',
    });
    expect(await statusWith({ ...learner, leaderId: undefined })).toMatchObject({ healthy: false });
  });

  it('is not healthy while a role of the node cannot work', async () => {
    const failing = { role: 'storage', ready: false, checks: [{ name: 'disk', ok: false, reason: 'no space left' }] };
    const port = rolePort(async () => ['controller', 'gateway', 'admin'].map(ready).concat(failing));
    const body = await new AdminService(options({ processes: () => [{ roles: ['storage'], port }] })).clusterStatus();
    expect(body).toMatchObject({ healthy: false, health_reason: 'Node is not ready: storage disk: no space left' });
  });

  it('answers within a second, whoever hangs', async () => {
    vi.useFakeTimers();
    try {
      const never = () => new Promise<never>(() => undefined);
      const hung = options({
        controller: { getQuorumStatus: never },
        processes: () => [{ roles: ROLES, port: { getStatus: never, getMetrics: never } }],
      });
      const answer = new AdminService(hung).clusterStatus();
      await vi.advanceTimersByTimeAsync(1_000);
      expect(await answer).toMatchObject({
        healthy: false,
        health_reason: 'The controller of this node does not answer: no answer within 1000 ms',
      });
    } finally {
      vi.useRealTimers();
    }
  });

  it('makes nothing up where the controller does not answer', async () => {
    const controller = { getQuorumStatus: () => Promise.reject(new PortError('unavailable', 'connection refused')) };
    expect(await new AdminService(options({ controller })).clusterStatus()).toEqual({
      node_state: null,
      node_id: 1,
      leader_id: null,
      committed_log_index: null,
      applied_log_index: null,
      current_term: null,
      voters: [],
      learners: [],
      healthy: false,
      health_reason: 'The controller of this node does not answer: connection refused',
    });
  });
});

describe('GET /api/v1/cluster/members', () => {
  it('has the fields of the guide, voters first, each kind by node id', async () => {
    const service = new AdminService(
      options({
        controller: { getQuorumStatus: async () => quorum({ voters: [3, 1], learners: [2] }) },
        replica: replica(broker(1), broker(2, 'Starting')),
      }),
    );
    expect(await service.members()).toEqual({
      members: [
        {
          node_id: 1,
          raft_addr: '192.168.1.1:9093',
          role: 'voter',
          is_leader: true,
          broker_state: 'Running',
          advertised_addr: '192.168.1.1:9092',
        },
        { node_id: 3, raft_addr: null, role: 'voter', is_leader: false, broker_state: 'Unknown', advertised_addr: null },
        {
          node_id: 2,
          raft_addr: '192.168.1.2:9093',
          role: 'learner',
          is_leader: false,
          broker_state: 'Starting',
          advertised_addr: '192.168.1.2:9092',
        },
      ],
      total: 3,
      leader_id: 1,
    });
  });

  it('tells the address that the consensus has, also of a member that never registered', async () => {
    const members = [progress(1, { address: 'node-1:9093' }), progress(2, { address: 'node-2:9093' })];
    const known = options({ controller: { getQuorumStatus: async () => quorum({ voters: [1, 2], members }) } });
    const body = await new AdminService(known).members();
    expect(body.members.map((member) => [member.raft_addr, member.broker_state])).toEqual([
      ['node-1:9093', 'Running'],
      ['node-2:9093', 'Unknown'],
    ]);
  });
});

describe('the health of a node', () => {
  it('is that of all roles, in whatever processes they are', async () => {
    const processes = (['controller', 'storage', 'gateway', 'admin'] as const).map((role) => ({
      roles: [role],
      port: rolePort(async () => [ready(role)]),
    }));
    const body = await new AdminService(options({ processes: () => processes })).health();
    expect(body.ready).toBe(true);
    expect(body.checks.map(({ role, name, ok }) => [role, name, ok])).toEqual([
      ['controller', 'log', true],
      ['storage', 'log', true],
      ['gateway', 'log', true],
      ['admin', 'log', true],
    ]);
  });

  it('is not ready without a process for each role', async () => {
    const port = rolePort(async () => ['controller', 'gateway', 'admin'].map(ready));
    const body = await new AdminService(options({ processes: () => [{ roles: ['admin'], port }] })).health();
    expect(body.ready).toBe(false);
    expect(body.checks).toContainEqual({
      role: 'storage',
      name: 'process',
      ok: false,
      reason: 'no process of this node plays the role storage',
    });
  });

  it('is not ready where a process does not answer, fails to, or says so without a reason', async () => {
    vi.useFakeTimers();
    try {
      const processes = [
        { roles: ['controller'] as const, port: rolePort(() => new Promise(() => undefined)) },
        { roles: ['storage'] as const, port: rolePort(() => Promise.reject(new Error('reset'))) },
        { roles: ['gateway'] as const, port: rolePort(async () => [{ role: 'gateway', ready: false, checks: [] }]) },
        { roles: ['admin'] as const, port: rolePort(async () => [ready('admin')]) },
      ];
      const answer = new AdminService(options({ processes: () => processes })).health();
      await vi.advanceTimersByTimeAsync(1_000);
      const body = await answer;
      expect(body.ready).toBe(false);
      expect(body.checks.map(({ role, ok, reason }) => [role, ok, reason])).toEqual([
        ['controller', false, 'does not answer: no answer within 1000 ms'],
        ['storage', false, 'does not answer: reset'],
        ['gateway', false, 'is not ready'],
        ['admin', true, ''],
      ]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the metrics of a node', () => {
  it('are those of all its processes, and tell which did not answer', async () => {
    const block = (process: string) => `# HELP a A\n# TYPE a gauge\na{process="${process}"} 1\n`;
    const processes = [
      {
        roles: ['storage', 'admin'] as const,
        port: rolePort(
          async () => [],
          async () => block('storage+admin'),
        ),
      },
      {
        roles: ['gateway'] as const,
        port: rolePort(
          async () => [],
          async () => block('gateway'),
        ),
      },
      {
        roles: ['controller'] as const,
        port: rolePort(
          async () => [],
          () => Promise.reject(new Error('gone')),
        ),
      },
    ];
    const text = await new AdminService(options({ processes: () => processes })).metrics();
    expect(text.match(/# TYPE a gauge/g)).toHaveLength(1);
    expect(text).toContain('a{process="storage+admin"} 1\na{process="gateway"} 1\n');
    expect(text).toContain('streamline_process_up{process="gateway"} 1\nstreamline_process_up{process="controller"} 0\n');
  });

  it('tell also what only all of them together know: whether the node is healthy and a member', async () => {
    const own = async (over: Parameters<typeof quorum>[0]) => {
      const text = await new AdminService(options({ controller: { getQuorumStatus: async () => quorum(over) } })).metrics();
      return text.split('\n').filter((line) => line.startsWith('streamline_node_'));
    };
    expect(await own({})).toEqual(['streamline_node_healthy 1', 'streamline_node_member 1']);
    expect(await own({ leaderId: undefined })).toEqual(['streamline_node_healthy 0', 'streamline_node_member 1']);
    expect(await own({ voters: [2], leaderId: 2 })).toEqual(['streamline_node_healthy 0', 'streamline_node_member 0']);
  });
});

describe('the same through the port', () => {
  it('has the values of the JSON, and nothing where that is null', async () => {
    const port = adminPort(new AdminService(options()));
    expect(await port.getClusterStatus({})).toMatchObject({
      nodeState: 'Leader',
      leaderId: 1,
      committedLogIndex: 42,
      healthy: true,
    });
    expect(await port.listMembers({})).toMatchObject({
      total: 1,
      leaderId: 1,
      members: [{ raftAddr: '192.168.1.1:9093', role: 'voter' }],
    });
    expect(await port.getHealth({})).toMatchObject({ live: true, ready: true });
    expect(await port.getInfo({})).toMatchObject({
      clusterId: CLUSTER,
      uptimeMs: 4_000,
      roles: ['controller', 'storage', 'gateway', 'admin'],
    });
    const down = adminPort(
      new AdminService(options({ controller: { getQuorumStatus: () => Promise.reject(new Error('down')) } })),
    );
    expect(await down.getClusterStatus({})).toMatchObject({ nodeState: '', leaderId: undefined, currentTerm: 0, healthy: false });
    await expect(down.listMembers({})).rejects.toThrow('down');
  });
});
