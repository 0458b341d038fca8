import type { OwnStanding } from '@streamline/core/formation/encounter';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import { describe, expect, it } from 'vitest';
import { Encounters, type ForeignMember } from './encounters';

const THEIRS = 'theirs' as ClusterId;
const FOREIGN: ForeignMember = {
  clusterId: THEIRS,
  clusterEpoch: 0,
  meantNodeId: 1 as NodeId,
  meantDirectoryId: 'old' as DirectoryId,
  address: 'two:9093',
};
const MEMBERS = ['one:9093', 'two:9093', 'three:9093'];

/** Node 1, alone in a cluster of its own, and what others answer at their addresses. */
class Bench {
  readonly clock = new VirtualClock();
  own: OwnStanding = {
    nodeId: 1 as NodeId,
    directoryId: 'new' as DirectoryId,
    clusterId: 'ours' as ClusterId,
    clusterEpoch: 0,
    isAlone: true,
  };
  readonly answers = new Map<string, Partial<wire.DescribeNodeResponse>>();
  readonly asked: [address: string, request: wire.DescribeNodeRequest][] = [];
  readonly learned: unknown[] = [];
  readonly encounters = new Encounters({
    clock: this.clock,
    own: () => this.own,
    peers: {
      askMembership: (address, ask) => {
        const describeNode = (request: wire.DescribeNodeRequest): Promise<wire.DescribeNodeResponse> => {
          this.asked.push([address, request]);
          const answer = this.answers.get(address);
          if (answer === undefined) return Promise.reject(new PortError('unavailable', 'connection refused'));
          return Promise.resolve({
            leaderAddress: '',
            memberAddresses: MEMBERS,
            clusterId: THEIRS,
            clusterEpoch: 0,
            ...answer,
          } as never);
        };
        return ask(fakePort<MembershipPort>({ describeNode }));
      },
    },
    onLeftOut: (memberAddresses) => this.learned.push(['left out', ...memberAddresses]),
    onReplaced: (_, memberAddresses) => this.learned.push(memberAddresses),
  });

  async meets(foreign: ForeignMember = FOREIGN): Promise<void> {
    this.encounters.met(foreign);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a node that meets one of another cluster', () => {
  it('was replaced where the leader, whom it asks for, has made sure that its majority has the other directory', async () => {
    const bench = new Bench();
    bench.answers.set('two:9093', { leaderAddress: 'three:9093' });
    bench.answers.set('three:9093', { callerIsMember: true });
    await bench.meets();
    expect(bench.learned).toEqual([MEMBERS]);
    const request = { fromNodeId: 1, fromDirectoryId: 'old', fromClusterId: THEIRS };
    expect(bench.asked).toEqual([
      ['two:9093', request],
      ['three:9093', request],
    ]);
  });

  it.each<[string, Partial<wire.DescribeNodeResponse> | undefined]>([
    ['does not answer', undefined],
    ['knows no leader: a minority of a former life', {}],
    ['leads, and has removed that member', { callerIsMember: false }],
    ['belongs to a third cluster', { clusterId: 'third', callerIsMember: true }],
    ['sends it in a circle', { leaderAddress: 'two:9093' }],
  ])('goes on where who dialled %s', async (_, answer) => {
    const bench = new Bench();
    if (answer !== undefined) bench.answers.set('two:9093', answer);
    await bench.meets();
    expect(bench.learned).toEqual([]);
    expect(bench.asked.length).toBeGreaterThan(0);
  });

  it('goes on where others have come to count on it while it asked', async () => {
    const bench = new Bench();
    bench.answers.set('two:9093', { callerIsMember: true });
    const met = bench.meets();
    bench.own = { ...bench.own, isAlone: false };
    await met;
    expect(bench.learned).toEqual([]);
  });

  it('asks one at a time and once a second, however often it is dialled', async () => {
    const bench = new Bench();
    for (let dial = 0; dial < 10; dial++) await bench.meets();
    expect(bench.asked).toHaveLength(1);
    bench.clock.advance(1_000);
    await bench.meets();
    expect(bench.asked).toHaveLength(2);
  });
});

describe('a node that meets one of a later epoch of its own cluster', () => {
  const OURS = 'ours' as ClusterId;
  const LATER: ForeignMember = { ...FOREIGN, clusterId: OURS, clusterEpoch: 1 };

  it('was left out where the leader of that epoch has made sure that it is no member', async () => {
    const bench = new Bench();
    bench.answers.set('two:9093', { clusterId: OURS, clusterEpoch: 1, leaderAddress: 'three:9093' });
    bench.answers.set('three:9093', { clusterId: OURS, clusterEpoch: 1, callerIsMember: false });
    await bench.meets(LATER);
    expect(bench.learned).toEqual([['left out', ...MEMBERS]]);
    const request = { fromNodeId: 1, fromDirectoryId: 'new', fromClusterId: OURS };
    expect(bench.asked).toEqual([
      ['two:9093', request],
      ['three:9093', request],
    ]);
  });

  it.each<[string, Partial<wire.DescribeNodeResponse> | undefined]>([
    ['does not answer', undefined],
    ['leads nobody', { clusterId: OURS, clusterEpoch: 1 }],
    ['is of this epoch, whatever the greeting said', { clusterId: OURS, callerIsMember: false }],
    ['is of another cluster', { clusterEpoch: 1, callerIsMember: false }],
  ])('goes on, and asks again when it meets it again, where that one %s', async (_, answer) => {
    const bench = new Bench();
    if (answer !== undefined) bench.answers.set('two:9093', answer);
    await bench.meets(LATER);
    bench.clock.advance(1_000);
    await bench.meets(LATER);
    expect(bench.learned).toEqual([]);
    expect(bench.asked).toHaveLength(2);
  });

  it('goes on where a greeting does not say from where it comes', async () => {
    const bench = new Bench();
    await bench.meets({ ...LATER, address: '' });
    expect([bench.learned, bench.asked]).toEqual([[], []]);
  });
});
