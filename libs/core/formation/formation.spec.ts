import { describe, expect, it } from 'vitest';
import type { ClusterId, DirectoryId, NodeId } from '../types/ids';
import { type FormationInit, mayBootstrap, nextFormationStep, type NodeDescription, type SeedAnswer } from './formation';

const X = 'clusterXclusterXcluste' as ClusterId;
const Y = 'clusterYclusterYcluste' as ClusterId;

function init(nodeId: number, seeds: readonly string[], over: Partial<FormationInit> = {}): FormationInit {
  return {
    nodeId: nodeId as NodeId,
    directoryId: `directory${nodeId}` as DirectoryId,
    incarnationId: `incarnation${nodeId}`,
    ownAddress: `host${nodeId}:9093`,
    mode: 'auto',
    seeds,
    ...over,
  };
}

function node(nodeId: number, over: Partial<NodeDescription> = {}): SeedAnswer {
  const described: NodeDescription = {
    nodeId: nodeId as NodeId,
    directoryId: `directory${nodeId}` as DirectoryId,
    incarnationId: `incarnation${nodeId}`,
    isMember: over.clusterId !== undefined,
    clusterId: undefined,
    memberAddresses: [],
    mayBootstrap: false,
    ...over,
  };
  return { kind: 'described', node: described };
}

const silent: SeedAnswer = { kind: 'silent', reason: 'connection refused' };
const answers = (...told: readonly (readonly [string, SeedAnswer])[]): Map<string, SeedAnswer> => new Map(told);
const LIST = ['host1:9093', 'host2:9093', 'host3:9093'];

describe('a node without data', () => {
  it('bootstraps at once without seeds (FORM-2)', () => {
    expect(nextFormationStep(init(1, []), answers(), undefined)).toEqual({ kind: 'bootstrap' });
  });

  it('bootstraps where it is its only seed, by name or by what answers there (FORM-2)', () => {
    expect(nextFormationStep(init(1, ['host1:9093']), answers(), undefined)).toEqual({ kind: 'bootstrap' });
    const behindAlias = answers(['alias:9093', node(1)]);
    expect(nextFormationStep(init(1, ['alias:9093']), behindAlias, undefined)).toEqual({ kind: 'bootstrap' });
  });

  it('joins the cluster that a seed belongs to, by all addresses that are known (FORM-1)', () => {
    const told = answers(
      ['host1:9093', node(1, { clusterId: X, memberAddresses: ['host1:9093', 'host4:9093'] })],
      ['host3:9093', silent],
    );
    expect(nextFormationStep(init(2, LIST), told, undefined)).toEqual({
      kind: 'join',
      clusterId: X,
      addresses: ['host1:9093', 'host4:9093'],
      promoteToVoter: true,
    });
  });

  it('joins rather than bootstraps, also as the first seed whose disk was wiped (FORM-1)', () => {
    const told = answers(['host2:9093', node(2, { clusterId: X })], ['host3:9093', node(3)]);
    expect(nextFormationStep(init(1, LIST), told, undefined)).toMatchObject({ kind: 'join', clusterId: X });
  });

  it('bootstraps as the first seed only once all others said that they have no cluster (FORM-3)', () => {
    const oneSilent = answers(['host2:9093', node(2)], ['host3:9093', silent]);
    expect(nextFormationStep(init(1, LIST), oneSilent, undefined)).toEqual({
      kind: 'wait',
      note: 'waiting for every seed node to say that it belongs to no cluster, to begin one: host2:9093 (belongs to no cluster yet), host3:9093 (connection refused)',
    });
    const all = answers(['host2:9093', node(2)], ['host3:9093', node(3)]);
    expect(nextFormationStep(init(1, LIST), all, undefined)).toEqual({ kind: 'bootstrap' });
  });

  it('waits where it is not the first seed, whatever the others say (FORM-4)', () => {
    const all = answers(['host1:9093', node(1)], ['host3:9093', node(3)]);
    expect(nextFormationStep(init(2, LIST), all, undefined)).toMatchObject({ kind: 'wait' });
    expect(nextFormationStep(init(4, ['host1:9093']), answers(['host1:9093', silent]), undefined)).toEqual({
      kind: 'wait',
      note: 'waiting for a seed node that belongs to a cluster: host1:9093 (connection refused)',
    });
  });

  it('leaves it to the lowest node id where lists differ in who is first (FORM-3)', () => {
    const one = nextFormationStep(
      init(1, ['host1:9093', 'host2:9093']),
      answers(['host2:9093', node(2, { mayBootstrap: true })]),
      undefined,
    );
    const two = nextFormationStep(
      init(2, ['host2:9093', 'host1:9093']),
      answers(['host1:9093', node(1, { mayBootstrap: true })]),
      undefined,
    );
    expect([one.kind, two.kind]).toEqual(['bootstrap', 'wait']);
  });

  it('waits for a seed that has begun a cluster and does not know its id yet (FORM-3)', () => {
    const list = ['host2:9093', 'host1:9093'];
    const begun = answers(['host1:9093', node(1, { isMember: true })]);
    expect(nextFormationStep(init(2, list), begun, undefined)).toEqual({
      kind: 'wait',
      note: 'waiting for every seed node to say that it belongs to no cluster, to begin one: host1:9093 (begins a cluster)',
    });
  });

  it('never bootstraps with mode never: it waits for an invitation, or joins its seeds (FORM-4)', () => {
    expect(nextFormationStep(init(1, [], { mode: 'never' }), answers(), undefined)).toEqual({
      kind: 'wait',
      note: 'waiting to be added to a cluster: POST /api/v1/cluster/members at its leader',
    });
    const first = init(1, LIST, { mode: 'never' });
    expect(nextFormationStep(first, answers(['host2:9093', node(2)], ['host3:9093', node(3)]), undefined).kind).toBe('wait');
    expect(nextFormationStep(first, answers(['host2:9093', node(2, { clusterId: X })]), undefined).kind).toBe('join');
  });

  it('joins who invites it, as what it was invited to be (FORM-1)', () => {
    const invitation = { clusterId: X, memberAddresses: ['host9:9093'], promoteToVoter: false };
    expect(nextFormationStep(init(1, [], { mode: 'never' }), answers(), invitation)).toEqual({
      kind: 'join',
      clusterId: X,
      addresses: ['host9:9093'],
      promoteToVoter: false,
    });
    const there = node(2, { clusterId: X, memberAddresses: ['host2:9093', 'host9:9094'] });
    const moved = nextFormationStep(init(1, ['host2:9093']), answers(['host2:9093', there]), invitation);
    expect(moved, 'the member that invited it has moved').toMatchObject({
      kind: 'join',
      addresses: ['host2:9093', 'host9:9094', 'host9:9093'],
      promoteToVoter: false,
    });
    const elsewhere = answers(['host2:9093', node(2, { clusterId: Y })]);
    expect(nextFormationStep(init(1, LIST), elsewhere, invitation).kind).toBe('refuse');
  });

  it('refuses seeds of two clusters, and names both (FORM-5)', () => {
    const told = answers(['host2:9093', node(2, { clusterId: X })], ['host3:9093', node(3, { clusterId: Y })]);
    const step = nextFormationStep(init(1, LIST), told, undefined);
    expect(step).toMatchObject({ kind: 'refuse', problem: `the seed nodes belong to different clusters: ${X} and ${Y}` });
  });

  it('refuses where another live node has its id, or uses a copy of its directory (FORM-5)', () => {
    const twin = node(2, { incarnationId: 'other', directoryId: 'other' as DirectoryId });
    expect(nextFormationStep(init(2, LIST), answers(['host1:9093', twin]), undefined)).toMatchObject({
      kind: 'refuse',
      remedy: 'Give each node a --cluster-node-id of its own.',
    });
    const copy = node(2, { incarnationId: 'other' });
    expect(nextFormationStep(init(2, LIST), answers(['host1:9093', copy]), undefined)).toMatchObject({
      kind: 'refuse',
      remedy: 'Give this node an empty --data-dir and a --cluster-node-id of its own.',
    });
  });
});

describe('mayBootstrap', () => {
  it('holds until the first seed is known to be another node', () => {
    expect(mayBootstrap(init(2, LIST), answers())).toBe(true);
    expect(mayBootstrap(init(2, LIST), answers(['host1:9093', silent]))).toBe(true);
    expect(mayBootstrap(init(2, LIST), answers(['host1:9093', node(1)]))).toBe(false);
    expect(mayBootstrap(init(1, LIST), answers(['host1:9093', node(1)]))).toBe(true);
    expect(mayBootstrap(init(1, LIST, { mode: 'never' }), answers())).toBe(false);
  });
});
