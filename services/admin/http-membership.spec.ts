import pino from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type {
  AddMemberResponse,
  RemoveMemberResponse,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { MembershipOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { PortError } from '@streamline/wire/contracts/port-error';
import { AdminService } from './admin.service';
import { errorBody } from './bodies';
import { membership, options, progress, quorum } from './fixtures';
import { type HttpApp, startHttpApp } from './http/http-app';
import {
  leadershipBody,
  memberAddedBody,
  memberAddingBody,
  memberNotPromotedBody,
  memberRemovedBody,
  memberRemovingBody,
  notLeaderBody,
} from './membership-bodies';
import type { MembershipCommander } from './membership-commands';

const ADD = { node_id: 4, raft_addr: '192.168.1.4:9093' };
const ADDED: AddMemberResponse = { outcome: MembershipOutcome.DONE, reason: '', field: '', role: 'voter' };
const REMOVED: RemoveMemberResponse = {
  ...{ outcome: MembershipOutcome.DONE, reason: '' },
  ...{ partitionsLeft: 0, partitionsTotal: 0, lostPartitions: [] },
};

let app: HttpApp;
/** The controller of this node, as a test wants it, and of the leader where that is another one. */
let controller: MembershipCommander;
let leader: MembershipCommander;
let requests: unknown[];

/** Everything that is asked is kept. */
function recording(): MembershipCommander {
  const own = membership();
  return {
    addMember: (request) => (requests.push(request), own.addMember(request)),
    removeMember: (request) => (requests.push(request), own.removeMember(request)),
    transferLeadership: (request) => (requests.push(request), own.transferLeadership(request)),
  };
}

beforeAll(async () => {
  const late: MembershipCommander = {
    addMember: (...args) => controller.addMember(...args),
    removeMember: (...args) => controller.removeMember(...args),
    transferLeadership: (...args) => controller.transferLeadership(...args),
  };
  const members = [progress(1), progress(2, { address: 'node-2:9093' })];
  const service = new AdminService(
    options({
      membership: late,
      connectMembership: () => ({ port: leader, close: () => undefined }),
      controller: { getQuorumStatus: async () => quorum({ voters: [1, 2], members }) },
    }),
  );
  const listen = { host: '127.0.0.1', port: 0 };
  app = await startHttpApp({ listen, version: '0.1.0', service, logger: pino({ level: 'silent' }) });
});
afterAll(() => app.close());
beforeEach(() => {
  requests = [];
  controller = recording();
});

async function ask(method: string, path: string, init: RequestInit = {}) {
  const response = await fetch(`http://127.0.0.1:${app.port}/api/v1/cluster${path}`, { method, ...init });
  return { status: response.status, body: (await response.json()) as unknown, allow: response.headers.get('allow') };
}

function post(path: string, body: unknown) {
  return ask('POST', path, { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
}

function adds(answer: Partial<AddMemberResponse>): void {
  controller = membership({ addMember: async () => ({ ...ADDED, ...answer }) });
}

function removes(answer: Partial<RemoveMemberResponse>): void {
  controller = membership({ removeMember: async () => ({ ...REMOVED, ...answer }) });
}

const NOT_LEADER = { outcome: MembershipOutcome.NOT_LEADER, leaderId: 2 };

describe('POST /api/v1/cluster/members', () => {
  it('201: the node is a voter, or the learner that it was to be', async () => {
    const voter = await post('/members', ADD);
    expect(voter).toMatchObject({ status: 201, body: { ...ADD, status: 'voter' } });
    expect(memberAddedBody.safeParse(voter.body).success).toBe(true);
    const learner = await post('/members', { ...ADD, promote_to_voter: false });
    expect(learner).toMatchObject({ status: 201, body: { ...ADD, status: 'learner' } });
    expect(requests).toEqual([
      { nodeId: 4, address: '192.168.1.4:9093', promoteToVoter: true, directoryId: '' },
      { nodeId: 4, address: '192.168.1.4:9093', promoteToVoter: false, directoryId: '' },
    ]);
  });

  it('takes the body of the guide, with the type that curl is told', async () => {
    const body = '{"node_id": 4, "raft_addr": "192.168.1.4:9093"}';
    const headers = { 'Content-Type': 'application/json; charset=utf-8' };
    expect(await ask('POST', '/members', { body, headers })).toMatchObject({ status: 201 });
  });

  it('200 with a warning: a learner that could not be promoted', async () => {
    adds({ outcome: MembershipOutcome.NOT_PROMOTED, reason: 'it is not caught up yet' });
    const { status, body } = await post('/members', ADD);
    expect([status, body]).toEqual([200, { node_id: 4, status: 'learner', warning: 'it is not caught up yet' }]);
    expect(memberNotPromotedBody.safeParse(body).success).toBe(true);
  });

  it('202: it goes on behind the answer', async () => {
    adds({ outcome: MembershipOutcome.UNDER_WAY, reason: 'a snapshot is being sent' });
    const { status, body } = await post('/members', ADD);
    expect([status, body]).toEqual([202, { ...ADD, status: 'adding', reason: 'a snapshot is being sent' }]);
    expect(memberAddingBody.safeParse(body).success).toBe(true);
  });

  it.each([[2], [undefined]])('409: this node is not the leader, %s is', async (leaderId) => {
    adds({ ...NOT_LEADER, leaderId });
    const { status, body } = await post('/members', ADD);
    expect([status, body]).toEqual([409, { error: 'This node is not the leader', leader_id: leaderId ?? null }]);
    expect(notLeaderBody.safeParse(body).success).toBe(true);
  });

  it('with forward=true the leader is asked', async () => {
    adds(NOT_LEADER);
    leader = recording();
    expect(await post('/members?forward=true', ADD)).toMatchObject({ status: 201, body: { status: 'voter' } });
    expect(requests).toHaveLength(1);
    expect(await post('/members?forward=false', ADD)).toMatchObject({ status: 409 });
    expect(await post('/members?forward=1', ADD)).toEqual({
      status: 400,
      body: { error: 'forward must be true or false', field: 'forward' },
      allow: null,
    });
  });

  it.each([
    ['', /^Node 4 at 192\.168\.1\.4:9093 belongs to a cluster of its own\. Start .* --bootstrap never, so that/],
    ['it belongs to cluster abc', /^it belongs to cluster abc\. Start .* --bootstrap never/],
    ['start it with --bootstrap never', /^start it with --bootstrap never$/],
  ])('409: the node has a cluster of its own; --bootstrap never is named (%j)', async (reason, error) => {
    adds({ outcome: MembershipOutcome.OTHER_CLUSTER, reason });
    const { status, body } = await post('/members', ADD);
    expect(status).toBe(409);
    expect(errorBody.parse(body).error).toMatch(error);
  });

  it('500: it failed, or nobody answers', async () => {
    adds({ outcome: MembershipOutcome.FAILED, reason: '192.168.1.4:9093 refuses connections' });
    const refused = await post('/members', ADD);
    expect(refused).toMatchObject({
      status: 500,
      body: { error: 'Failed to add learner: 192.168.1.4:9093 refuses connections' },
    });
    controller = membership({ addMember: () => Promise.reject(new PortError('deadline', 'no answer within 30000 ms')) });
    const late = await post('/members', ADD);
    expect(late).toMatchObject({ status: 500, body: { error: 'Failed to add learner: no answer within 30000 ms' } });
  });

  it.each([
    [{ raft_addr: 'a:1' }, 'node_id', 'node_id is missing; it must be a whole number from 1 to 2147483647'],
    [{ ...ADD, node_id: '4' }, 'node_id', 'node_id must be a whole number from 1 to 2147483647'],
    [{ ...ADD, node_id: 0 }, 'node_id', 'node_id must be a whole number from 1 to 2147483647'],
    [{ ...ADD, node_id: 1.5 }, 'node_id', 'node_id must be a whole number from 1 to 2147483647'],
    [{ ...ADD, node_id: 2 ** 31 }, 'node_id', 'node_id must be a whole number from 1 to 2147483647'],
    [{ node_id: 4 }, 'raft_addr', /^raft_addr is missing; it must be the inter-broker address/],
    [{ ...ADD, raft_addr: '192.168.1.4' }, 'raft_addr', /^raft_addr must be .*: the port is missing$/],
    [{ ...ADD, raft_addr: '0.0.0.0:9093' }, 'raft_addr', /nobody is reached there$/],
    [{ ...ADD, promote_to_voter: 'yes' }, 'promote_to_voter', 'promote_to_voter must be true or false'],
    [
      { ...ADD, promote_to_votr: true },
      'promote_to_votr',
      /^promote_to_votr is no field of this request; did you mean promote_to_voter\?$/,
    ],
    [{ ...ADD, zzz: true }, 'zzz', 'zzz is no field of this request; there are node_id, raft_addr, promote_to_voter'],
  ])('422: %j names the field at fault', async (request, field, error) => {
    const { status, body } = await post('/members', request);
    expect([status, body]).toEqual([422, { error: expect.stringMatching(error) as unknown, field }]);
    expect(requests).toEqual([]);
  });

  it('422: what the controller finds wrong is named as it is called here', async () => {
    adds({ outcome: MembershipOutcome.INVALID, field: 'address', reason: 'node 3 is at this address' });
    expect(await post('/members', ADD)).toMatchObject({
      status: 422,
      body: { error: 'node 3 is at this address', field: 'raft_addr' },
    });
  });

  it.each([
    ['no JSON', '{"node_id": 4,', 'The body is not valid JSON'],
    ['another prototype', '{"__proto__": {"node_id": 4}}', 'The body is not valid JSON'],
    ['no object', '[4]', 'The body must be a JSON object with node_id, raft_addr, promote_to_voter'],
    ['nothing', '', 'The body must be a JSON object with node_id, raft_addr, promote_to_voter'],
  ])('400: a body that is %s', async (_, body, error) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await ask('POST', '/members', { body, headers });
    expect(answer).toMatchObject({ status: 400, body: { error, field: 'body' } });
    expect(requests).toEqual([]);
  });

  it('413: a body that is too large', async () => {
    expect(await post('/members', { ...ADD, raft_addr: 'x'.repeat(65_536) })).toMatchObject({
      status: 413,
      body: { error: 'The body is larger than the 65536 bytes that are taken', field: 'body' },
    });
    expect(requests).toEqual([]);
  });

  it.each(['application/x-www-form-urlencoded', 'text/plain', 'application/xml'])('415: a body of type %s', async (type) => {
    const answer = await ask('POST', '/members', { body: JSON.stringify(ADD), headers: { 'content-type': type } });
    expect(answer).toMatchObject({
      status: 415,
      body: { error: 'The body must be JSON: send it with Content-Type: application/json', field: 'Content-Type' },
    });
    expect(requests).toEqual([]);
  });

  it('405: another method', async () => {
    expect(await ask('PUT', '/members')).toMatchObject({ status: 405, allow: 'GET, HEAD, POST' });
    expect(await ask('GET', '/members/4')).toMatchObject({ status: 405, allow: 'DELETE' });
  });
});

describe('DELETE /api/v1/cluster/members/{node_id}', () => {
  it('200: removed', async () => {
    const { status, body } = await ask('DELETE', '/members/4');
    expect([status, body]).toEqual([200, { node_id: 4, status: 'removed' }]);
    expect(requests).toEqual([{ nodeId: 4, force: false, directoryId: '', keepAsLearner: false }]);
  });

  it('200 with force=true: what is lost', async () => {
    removes({ lostPartitions: ['orders-0', 'orders-7'] });
    const { status, body } = await ask('DELETE', '/members/4?force=true');
    expect([status, body]).toEqual([200, { node_id: 4, status: 'removed', lost_partitions: ['orders-0', 'orders-7'] }]);
    expect(memberRemovedBody.safeParse(body).success).toBe(true);
  });

  it('takes a request that names a type and has no body, as some clients send it', async () => {
    const headers = { 'content-type': 'application/json' };
    expect(await ask('DELETE', '/members/4', { headers })).toMatchObject({ status: 200 });
  });

  it('202: how far it is', async () => {
    removes({ outcome: MembershipOutcome.UNDER_WAY, partitionsLeft: 12, partitionsTotal: 40, reason: 'moving' });
    const { status, body } = await ask('DELETE', '/members/4');
    const progressTold = { partitions_left: 12, partitions_total: 40, reason: 'moving' };
    expect([status, body]).toEqual([202, { node_id: 4, status: 'removing', ...progressTold }]);
    expect(memberRemovingBody.safeParse(body).success).toBe(true);
  });

  it.each([
    [NOT_LEADER, 409, { error: 'This node is not the leader', leader_id: 2 }],
    [{ outcome: MembershipOutcome.HOLDS_PARTITIONS, reason: 'Node 4 holds orders-0' }, 409, { error: 'Node 4 holds orders-0' }],
    [{ outcome: MembershipOutcome.IS_LEADER }, 400, { error: 'Cannot remove the current leader. Transfer leadership first.' }],
    [{ outcome: MembershipOutcome.NOT_A_MEMBER }, 404, { error: 'Node 4 is not a member of the cluster' }],
    [{ outcome: MembershipOutcome.FAILED, reason: 'no majority' }, 500, { error: 'Failed to remove member: no majority' }],
    [{ outcome: MembershipOutcome.FAILED }, 500, { error: 'Failed to remove member: FAILED' }],
  ])('%j is %i', async (answer, status, body) => {
    removes(answer);
    expect(await ask('DELETE', '/members/4')).toMatchObject({ status, body });
  });

  it('500: nobody answers', async () => {
    controller = membership({ removeMember: () => Promise.reject(new Error('gone')) });
    expect(await ask('DELETE', '/members/4')).toMatchObject({ status: 500, body: { error: 'Failed to remove member: gone' } });
  });

  it.each([
    ['/members/four', 'node_id', '"four" is no node id; node_id must be a whole number from 1 to 2147483647'],
    ['/members/0', 'node_id', /no node id/],
    ['/members/99999999999', 'node_id', /no node id/],
    ['/members/4?force=yes', 'force', 'force must be true or false'],
    ['/members/4?force=true&force=true', 'force', 'force must be true or false'],
    ['/members/4?forse=true', 'forse', 'forse is no parameter of this request; did you mean force?'],
    ['/members/4?x=1', 'x', 'x is no parameter of this request; there are force, forward'],
  ])('400: %s', async (path, field, error) => {
    expect(await ask('DELETE', path)).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(error) as unknown, field },
    });
    expect(requests).toEqual([]);
  });
});

describe('POST /api/v1/cluster/leader', () => {
  it('200: the node leads', async () => {
    const { status, body } = await post('/leader', { node_id: 2 });
    expect([status, body]).toEqual([200, { node_id: 2, status: 'leader' }]);
    expect(leadershipBody.safeParse(body).success).toBe(true);
    expect(requests).toEqual([{ nodeId: 2 }]);
  });

  it('200: without a node id whoever is furthest', async () => {
    const transferLeadership = async () => ({ outcome: MembershipOutcome.DONE, reason: '', leaderId: 3 });
    controller = membership({ transferLeadership });
    expect(await post('/leader', {})).toMatchObject({ status: 200, body: { node_id: 3, status: 'leader' } });
  });

  it.each([
    [NOT_LEADER, 409, { error: 'This node is not the leader', leader_id: 2 }],
    [{ outcome: MembershipOutcome.NOT_A_MEMBER }, 404, { error: 'Node 9 is not a member of the cluster' }],
    [{ outcome: MembershipOutcome.INVALID, reason: 'node 9 is a learner' }, 422, { error: 'node 9 is a learner' }],
    [
      { outcome: MembershipOutcome.FAILED, reason: 'it is behind' },
      500,
      { error: 'Failed to transfer leadership: it is behind' },
    ],
  ])('%j is %i', async (answer, status, body) => {
    controller = membership({ transferLeadership: async () => ({ reason: '', ...answer }) });
    expect(await post('/leader', { node_id: 9 })).toMatchObject({ status, body });
  });

  it('422: a field that is wrong', async () => {
    expect(await post('/leader', { node_id: 'two' })).toMatchObject({ status: 422, body: { field: 'node_id' } });
  });
});
