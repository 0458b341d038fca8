import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdminService } from '@streamline/services/admin/admin.service';
import { broker, membership, options, progress, quorum, replica } from '@streamline/services/admin/fixtures';
import { type HttpApp, startHttpApp } from '@streamline/services/admin/http/http-app';
import type { MembershipCommander } from '@streamline/services/admin/membership-commands';
import type { GetQuorumStatusResponse } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type {
  AddMemberResponse,
  RemoveMemberResponse,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { ClusterExit } from '@streamline/platform/config/cluster-exit';
import { clusterCommand } from './cluster-command';

/** The node that is asked, as a test wants it, and the leader where that is another one. */
let status: GetQuorumStatusResponse;
let controller: MembershipCommander;
let leader: MembershipCommander;
let app: HttpApp;

beforeAll(async () => {
  const late: MembershipCommander = {
    addMember: (...args) => controller.addMember(...args),
    removeMember: (...args) => controller.removeMember(...args),
    transferLeadership: (...args) => controller.transferLeadership(...args),
  };
  const service = new AdminService(
    options({
      membership: late,
      connectMembership: () => ({ port: leader, close: () => undefined }),
      controller: { getQuorumStatus: async () => status },
      replica: replica(broker(1), broker(2), broker(3, 'Dead')),
    }),
  );
  const listen = { host: '127.0.0.1', port: 0 };
  app = await startHttpApp({ listen, version: '0.1.0', service, logger: pino({ level: 'silent' }) });
});
afterAll(() => app.close());
beforeEach(() => {
  status = quorum({ voters: [1, 2, 3], learners: [4], members: [progress(2, { address: 'node-2:9093' })] });
  controller = membership();
});

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Virtual milliseconds that passed in pauses. */
  readonly pausedMs: number;
}

/** Runs `streamline cluster <args>` with a clock that only pauses move. */
async function run(args: string, env: Record<string, string> = { STREAMLINE_HTTP_ADDR: `127.0.0.1:${app.port}` }): Promise<Ran> {
  let [stdout, stderr, pausedMs] = ['', '', 0];
  const pause = (durationMs: number): Promise<void> => Promise.resolve(void (pausedMs += durationMs));
  const out = (text: string): void => void (stdout += text);
  const note = (text: string): void => void (stderr += text);
  const line = { args: args === '' ? [] : args.split(' '), env, out, note };
  const exitCode = await clusterCommand(line, { nowMs: () => pausedMs, pause });
  return { exitCode, stdout, stderr, pausedMs };
}

const NOT_LEADER = { outcome: MembershipOutcome.NOT_LEADER, reason: '', field: '', role: '', leaderId: 2 };
const ADDED: AddMemberResponse = { outcome: MembershipOutcome.DONE, reason: '', field: '', role: 'voter' };
const REMOVED: RemoveMemberResponse = {
  ...{ outcome: MembershipOutcome.DONE, reason: '' },
  ...{ partitionsLeft: 0, partitionsTotal: 0, lostPartitions: [] },
};

/** Answers one after another, the last one again and again. */
function inTurn<T>(...answers: readonly T[]): () => Promise<T> {
  let at = 0;
  return () => {
    const answer = answers[Math.min(at, answers.length - 1)];
    at += 1;
    return answer === undefined ? Promise.reject(new Error('no answer is left')) : Promise.resolve(answer);
  };
}

function removes(...answers: readonly Partial<RemoveMemberResponse>[]): void {
  controller = membership({ removeMember: inTurn(...answers.map((answer) => ({ ...REMOVED, ...answer }))) });
}

function adds(...answers: readonly Partial<AddMemberResponse>[]): void {
  controller = membership({ addMember: inTurn(...answers.map((answer) => ({ ...ADDED, ...answer }))) });
}

describe('streamline cluster status', () => {
  it('shows a healthy node and ends with 0', async () => {
    expect(await run('status')).toEqual({
      exitCode: ClusterExit.DONE,
      stdout:
        'Node 1 is healthy: Node is a healthy voting member with an elected leader\n\n' +
        'NODE  STATE   LEADER  TERM  COMMITTED  APPLIED  VOTERS   LEARNERS\n' +
        '1     Leader  1       3     42         42       1, 2, 3  4\n',
      stderr: '',
      pausedMs: 0,
    });
  });

  it('shows why a node is not healthy and ends with 21', async () => {
    status = quorum({ nodeState: 'Candidate', leaderId: undefined });
    const { exitCode, stdout } = await run('status');
    expect(exitCode).toBe(ClusterExit.NOT_HEALTHY);
    expect(stdout).toContain('Node 1 is NOT healthy: No leader elected — cluster may be starting or partitioned\n');
    expect(stdout).toMatch(/^1 +Candidate +- +3 +42 +42 +1 +-$/m);
  });

  it('prints the body of the HTTP API with --json', async () => {
    const { stdout } = await run('status --json');
    const answer = await fetch(`http://127.0.0.1:${app.port}/api/v1/cluster/status`);
    expect(JSON.parse(stdout)).toEqual(await answer.json());
  });
});

describe('streamline cluster members', () => {
  it('shows who takes part, and where', async () => {
    expect(await run('members')).toMatchObject({
      exitCode: ClusterExit.DONE,
      stdout:
        'NODE  ROLE     LEADER  STATE    INTER-BROKER      KAFKA\n' +
        '1     voter    yes     Running  192.168.1.1:9093  192.168.1.1:9092\n' +
        '2     voter            Running  node-2:9093       192.168.1.2:9092\n' +
        '3     voter            Dead     192.168.1.3:9093  192.168.1.3:9092\n' +
        '4     learner          Unknown  -                 -\n\n' +
        '4 members, node 1 leads\n',
    });
  });

  it('prints the body of the HTTP API with --json', async () => {
    const { stdout } = await run('members --json');
    expect(JSON.parse(stdout)).toMatchObject({ total: 4, leader_id: 1 });
  });
});

describe('streamline cluster add', () => {
  it('adds a voter', async () => {
    const answer = await run('add 4 192.168.1.4:9093');
    expect(answer).toMatchObject({ exitCode: ClusterExit.DONE, stdout: 'Node 4 (192.168.1.4:9093) is a voter.\n', stderr: '' });
  });

  it('adds a learner that is to stay one', async () => {
    expect(await run('add 4 192.168.1.4:9093 --learner')).toMatchObject({ stdout: 'Node 4 (192.168.1.4:9093) is a learner.\n' });
  });

  it('has the leader do it, whichever node it asks', async () => {
    adds(NOT_LEADER);
    status = quorum({ nodeState: 'Follower', leaderId: 2, voters: [1, 2], members: [progress(2, { address: 'node-2:9093' })] });
    leader = membership();
    expect(await run('add 4 192.168.1.4:9093')).toMatchObject({ exitCode: ClusterExit.DONE });
  });

  it('waits while nobody leads, but not for ever', async () => {
    adds({ ...NOT_LEADER, leaderId: undefined }, ADDED);
    const waited = await run('add 4 192.168.1.4:9093');
    expect(waited).toMatchObject({ exitCode: ClusterExit.DONE, stderr: 'waiting for a leader\n' });
    adds({ ...NOT_LEADER, leaderId: undefined });
    const refused = await run('add 4 192.168.1.4:9093');
    expect(refused.exitCode).toBe(ClusterExit.REFUSED);
    expect(refused.pausedMs).toBeLessThanOrEqual(10_000);
    expect(refused.stderr).toContain('It knows nobody who leads: streamline cluster status says why');
  });

  it('names the leader where it could not be asked from here', async () => {
    adds(NOT_LEADER);
    status = quorum({ nodeState: 'Follower', leaderId: 9, voters: [1, 9] });
    adds({ ...NOT_LEADER, leaderId: 9 });
    const { exitCode, stderr } = await run('add 4 192.168.1.4:9093');
    expect(exitCode).toBe(ClusterExit.REFUSED);
    expect(stderr).toContain('This node is not the leader\n  Node 9 leads and could not be asked from here');
  });

  it('ends with 23 where the learner could not be promoted, and says how to go on', async () => {
    adds({ outcome: MembershipOutcome.NOT_PROMOTED, reason: 'it is behind' });
    const { exitCode, stderr } = await run('add 4 192.168.1.4:9093');
    expect([exitCode, stderr]).toEqual([
      ClusterExit.FAILED,
      'Node 4 is a learner, but no voter yet: it is behind\n  Repeat the command to promote it.\n',
    ]);
  });

  it.each([
    [
      { outcome: MembershipOutcome.FAILED, reason: 'connection refused' },
      ClusterExit.FAILED,
      'Failed to add learner: connection refused',
    ],
    [{ outcome: MembershipOutcome.OTHER_CLUSTER }, ClusterExit.REFUSED, '--bootstrap never'],
    [
      { outcome: MembershipOutcome.INVALID, field: 'node_id', reason: 'node 4 runs already' },
      ClusterExit.REFUSED,
      'node 4 runs already',
    ],
  ])('%j ends with %i', async (answer, exitCode, text) => {
    adds(answer);
    const ran = await run('add 4 192.168.1.4:9093 --json');
    expect(ran.exitCode).toBe(exitCode);
    expect(ran.stderr).toContain(text);
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: expect.stringContaining(text) as unknown });
  });
});

describe('streamline cluster remove', () => {
  it('removes, and tells what was lost by force', async () => {
    expect(await run('remove 3')).toMatchObject({ exitCode: ClusterExit.DONE, stdout: 'Node 3 is removed.\n' });
    removes({ lostPartitions: ['orders-0', 'orders-7'] });
    expect(await run('remove 3 --force')).toMatchObject({
      stdout: 'Node 3 is removed. Partitions that may have lost records: orders-0, orders-7.\n',
    });
  });

  it('asks again while it is under way, telling each step once', async () => {
    const underWay = { outcome: MembershipOutcome.UNDER_WAY, partitionsTotal: 40, reason: 'moving' };
    removes({ ...underWay, partitionsLeft: 12 }, { ...underWay, partitionsLeft: 12 }, { ...underWay, partitionsLeft: 3 }, {});
    expect(await run('remove 3')).toEqual({
      exitCode: ClusterExit.DONE,
      stdout: 'Node 3 is removed.\n',
      stderr:
        'node 3 is being removed, 12 of 40 partitions left: moving\nnode 3 is being removed, 3 of 40 partitions left: moving\n',
      pausedMs: 1_500,
    });
  });

  it('takes a member that is gone by then for removed, but not one that never was', async () => {
    const gone = { outcome: MembershipOutcome.NOT_A_MEMBER };
    removes({ outcome: MembershipOutcome.UNDER_WAY }, gone);
    expect(await run('remove 3')).toMatchObject({ exitCode: ClusterExit.DONE, stdout: 'Node 3 is removed.\n' });
    removes(gone);
    const { exitCode, stderr } = await run('remove 9');
    expect([exitCode, stderr]).toEqual([
      ClusterExit.REFUSED,
      'streamline cluster: Node 9 is not a member of the cluster\n  streamline cluster members lists the members.\n',
    ]);
  });

  it('ends with 23 where the time is up, and says how to go on', async () => {
    removes({ outcome: MembershipOutcome.UNDER_WAY, partitionsLeft: 1, partitionsTotal: 2, reason: 'moving' });
    const { exitCode, stderr, pausedMs } = await run('remove 3 --timeout-ms 3000');
    expect(exitCode).toBe(ClusterExit.FAILED);
    expect(pausedMs).toBeLessThan(3_000);
    expect(stderr).toContain('not finished within 3000 ms, it goes on');
  });

  it('says what to do before the leader can go', async () => {
    removes({ outcome: MembershipOutcome.IS_LEADER });
    const { exitCode, stderr } = await run('remove 1');
    expect(exitCode).toBe(ClusterExit.REFUSED);
    expect(stderr).toContain('Transfer leadership first.\n  Run streamline cluster transfer, then repeat.\n');
  });
});

describe('streamline cluster transfer', () => {
  it('hands leadership to a node, or to whoever is furthest', async () => {
    expect(await run('transfer 2')).toMatchObject({ exitCode: ClusterExit.DONE, stdout: 'Node 2 leads.\n' });
    controller = membership({ transferLeadership: async () => ({ outcome: MembershipOutcome.DONE, reason: '', leaderId: 3 }) });
    expect(await run('transfer')).toMatchObject({ exitCode: ClusterExit.DONE, stdout: 'Node 3 leads.\n' });
  });
});

describe('the command line of streamline cluster', () => {
  it.each(['--help', 'status --help', 'members --help', 'add --help', 'remove --help', 'transfer --help'])(
    '%s prints help and asks nobody',
    async (args) => {
      const { exitCode, stdout, stderr } = await run(args, {});
      expect([exitCode, stderr]).toEqual([ClusterExit.DONE, '']);
      expect(stdout).toMatch(/^Usage: streamline cluster /);
    },
  );

  it.each([
    ['', 'Usage: streamline cluster'],
    ['stats', "unknown command 'stats'\n(Did you mean status?)"],
    ['frobnicate', "unknown command 'frobnicate'\nstreamline cluster --help lists the commands"],
    ['status --jso', "unknown option '--jso'"],
    ['add', "missing required argument 'node-id'"],
    ['add 4', "missing required argument 'inter-broker-addr'"],
    ['add four 192.168.1.4:9093', 'It must be a whole number from 1 to 2147483647.'],
    ['add 4 192.168.1.4', 'It must be HOST:PORT: the port is missing.'],
    ['add 4 0.0.0.0:9093', 'It must be where other nodes reach the node, not what it binds to.'],
    ['add 4 a:1 b:2', 'too many arguments'],
    ['remove 0', 'It must be a whole number from 1 to 2147483647.'],
    ['status --http-addr nowhere', 'It must be HOST:PORT: the port is missing.'],
    ['status --timeout-ms 5s', 'It must be a whole number from 1 to 86400000.'],
  ])('"%s" is refused with 2', async (args, text) => {
    const { exitCode, stderr, stdout } = await run(args);
    expect([exitCode, stdout]).toEqual([ClusterExit.USAGE, '']);
    expect(stderr).toContain(text);
  });

  it('goes where --http-addr says, else where STREAMLINE_HTTP_ADDR does; all addresses of a node are its own here', async () => {
    const everywhere = { STREAMLINE_HTTP_ADDR: `0.0.0.0:${app.port}` };
    expect(await run('status', everywhere)).toMatchObject({ exitCode: ClusterExit.DONE });
    const flag = await run(`status --http-addr 127.0.0.1:${app.port}`, { STREAMLINE_HTTP_ADDR: '127.0.0.1:1' });
    expect(flag.exitCode).toBe(ClusterExit.DONE);
    const wrong = await run('status', { STREAMLINE_HTTP_ADDR: 'x' });
    expect(wrong).toMatchObject({
      exitCode: ClusterExit.USAGE,
      stderr: expect.stringContaining('STREAMLINE_HTTP_ADDR') as unknown,
    });
  });

  it('ends with 20 where nobody answers, and names the flag', async () => {
    const { exitCode, stderr, stdout } = await run('status --http-addr 127.0.0.1:1 --json');
    expect(exitCode).toBe(ClusterExit.UNREACHABLE);
    expect(stderr).toMatch(/no node answers at 127\.0\.0\.1:1: .*ECONNREFUSED.*\n {2}Name the HTTP address .* --http-addr/);
    expect(JSON.parse(stdout)).toEqual({ error: expect.stringContaining('no node answers at 127.0.0.1:1') as unknown });
  });
});

describe('what is no node', () => {
  let server: Server;
  let answer: { status: number; text: string } | undefined;

  beforeEach(async () => {
    server = createServer((_request, response) => {
      if (answer !== undefined) response.writeHead(answer.status).end(answer.text);
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  });
  afterEach(() => {
    server.closeAllConnections();
    return new Promise((closed) => server.close(closed));
  });

  function ask(args: string): Promise<Ran> {
    return run(args, { STREAMLINE_HTTP_ADDR: `127.0.0.1:${(server.address() as AddressInfo).port}` });
  }

  it.each([
    [{ status: 200, text: '<html>' }, ClusterExit.UNREACHABLE, 'is no Streamline node (status 200 without JSON)'],
    [{ status: 200, text: '[]' }, ClusterExit.UNREACHABLE, 'is no Streamline node'],
    [{ status: 200, text: '{}' }, ClusterExit.FAILED, 'status 200 with a body that is not understood'],
    [{ status: 404, text: '{"error":"No such path"}' }, ClusterExit.FAILED, 'No such path'],
  ])('%j is told from one', async (given, exitCode, text) => {
    answer = given;
    const ran = await ask('status');
    expect(ran.exitCode).toBe(exitCode);
    expect(ran.stderr).toContain(text);
  });

  it('that says nothing is not waited for beyond the time', async () => {
    answer = undefined;
    const ran = await ask('members --timeout-ms 50');
    expect(ran.exitCode).toBe(ClusterExit.UNREACHABLE);
    expect(ran.stderr).toContain('nothing within 50 ms');
  });

  it('leaves open what has become of a change whose answer is missing', async () => {
    answer = undefined;
    const ran = await ask('remove 3 --timeout-ms 50');
    expect(ran.exitCode).toBe(ClusterExit.FAILED);
    expect(ran.stderr).toMatch(/is missing: nothing within 50 ms\n {2}What was asked for may still happen/);
  });

  it('is told from a port where nobody listens, where no change can have begun', async () => {
    const { port } = server.address() as AddressInfo;
    await new Promise((closed) => server.close(closed));
    expect(await run('remove 3', { STREAMLINE_HTTP_ADDR: `127.0.0.1:${port}` })).toMatchObject({
      exitCode: ClusterExit.UNREACHABLE,
    });
  });

  it('may be a node of a later version that tells more', async () => {
    const later = { ...quorumBody, more: 1 };
    answer = { status: 200, text: JSON.stringify(later) };
    expect(await ask('status')).toMatchObject({ exitCode: ClusterExit.DONE });
  });

  const quorumBody = {
    ...{ node_state: 'Leader', node_id: 1, leader_id: 1, committed_log_index: 1, applied_log_index: 1, current_term: 1 },
    ...{ voters: [1], learners: [], healthy: true, health_reason: 'fine' },
  };
});
