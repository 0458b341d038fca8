import { OUR_FEATURES } from '@streamline/core/metadata/features';
import type { NodeId } from '@streamline/core/types/ids';
import { addressOf, directoryOf, memberOf, ScriptedConsensus } from '@streamline/testing/controller/scripted-consensus';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { Formation, JoinOutcome } from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import { describe, expect, it } from 'vitest';
import type { LogMember } from './metadata-log';
import { MembershipKeeper } from './membership-keeper';

const CLUSTER = 'clusterclustercluster0';
const LEADERLESS_MS = 4_000;
const SELF = 3;
const SEED = 'seed:9093';
const STEP_MS = 10;

/** The keeper of node 3; node 1 leads unless a test says otherwise, and nobody answers unless told to. */
class Bench {
  readonly clock = new VirtualClock();
  readonly consensus: ScriptedConsensus;
  readonly listening = new Map<string, Partial<MembershipPort>>();
  readonly asked: { readonly address: string; readonly atMs: number; readonly request: wire.JoinRequest }[] = [];
  readonly problems: string[] = [];
  removals = 0;
  readonly refusals: string[] = [];
  readonly keeper: MembershipKeeper;

  constructor(own: Partial<LogMember> | undefined, { leaderId = 1, address = addressOf(SELF) } = {}) {
    const members = [memberOf(1), memberOf(2), ...(own === undefined ? [] : [memberOf(SELF, own)])];
    this.consensus = new ScriptedConsensus(SELF as NodeId, leaderId as NodeId, members);
    this.keeper = new MembershipKeeper({
      clock: this.clock,
      random: new SeededRandom(1),
      consensus: this.consensus,
      self: { nodeId: SELF as NodeId, directoryId: directoryOf(SELF), address, incarnationId: 'first' },
      clusterId: () => CLUSTER,
      contacts: [SEED],
      leaderlessMs: LEADERLESS_MS,
      peers: {
        askMembership: (at, ask) => {
          const port = this.listening.get(at);
          return port === undefined ? Promise.reject(new PortError('unavailable', 'connection refused')) : ask(fakePort(port));
        },
      },
      onProblem: (problem) => this.problems.push(problem),
      onRemoved: () => this.removals++,
      onRefused: (reason) => this.refusals.push(reason),
    });
  }

  /** What is answered to who asks to join at this address. */
  joins(address: string, answer: (nth: number) => Pick<wire.JoinResponse, 'outcome'> & Partial<wire.JoinResponse>): void {
    let count = 0;
    this.listening.set(address, {
      ...this.listening.get(address),
      join: (request) => {
        this.asked.push({ address, atMs: this.clock.monotonicMs(), request });
        return Promise.resolve({ reason: '', clusterId: CLUSTER, clusterEpoch: 0, memberAddresses: [], ...answer(++count) });
      },
    });
  }

  /** What is answered to who asks whether it is a member. */
  describes(address: string, callerIsMember: boolean | undefined, clusterId = CLUSTER): void {
    const describeNode = () => Promise.resolve({ clusterId, callerIsMember } as wire.DescribeNodeResponse);
    this.listening.set(address, { ...this.listening.get(address), describeNode });
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.clock.advance(STEP_MS);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('a learner', () => {
  it('asks the leader to be a voter until it is one, and not for ever at the first pace', async () => {
    const bench = new Bench({ isVoter: false });
    bench.joins(addressOf(1), (nth) => {
      if (nth < 8) return { outcome: JoinOutcome.LEARNER, reason: 'it has not caught up with the log yet' };
      bench.consensus.set(SELF, { isVoter: true });
      return { outcome: JoinOutcome.VOTER };
    });
    await bench.pass(10_000);
    expect(bench.asked).toHaveLength(8);
    const gaps = bench.asked.slice(1).map(({ atMs }, at) => atMs - (bench.asked[at]?.atMs ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(1_000 + STEP_MS);
    expect(gaps.at(-1)).toBeGreaterThan(gaps[0] ?? Infinity);
    expect(bench.asked[0]?.request).toMatchObject({
      nodeId: SELF,
      directoryId: directoryOf(SELF),
      clusterId: CLUSTER,
      promoteToVoter: true,
      features: OUR_FEATURES,
    });
    expect(bench.problems, 'told once, however often it is heard').toEqual([
      `${addressOf(1)}: it has not caught up with the log yet`,
    ]);
  });

  it('asks nothing where it is to stay one, nor as a voter at its right address', async () => {
    for (const own of [{ isVoter: false, staysLearner: true }, {}]) {
      const bench = new Bench(own);
      bench.joins(addressOf(1), () => ({ outcome: JoinOutcome.VOTER }));
      await bench.pass(5_000);
      expect(bench.asked).toEqual([]);
    }
  });

  it('asks on where the leader does not answer, and whoever leads by then', async () => {
    const bench = new Bench({ isVoter: false });
    await bench.pass(1_000);
    expect(bench.problems).toEqual([`${addressOf(1)}: connection refused`]);
    bench.joins(addressOf(2), () => ({ outcome: JoinOutcome.VOTER }));
    bench.consensus.leaderId = 2 as NodeId;
    await bench.pass(2_000);
    expect(bench.asked[0]?.address).toBe(addressOf(2));
  });
});

describe('a voter that has moved', () => {
  it('tells the leader its address', async () => {
    const bench = new Bench({ address: 'before:9093' });
    bench.joins(addressOf(1), () => {
      bench.consensus.set(SELF, { address: addressOf(SELF) });
      return { outcome: JoinOutcome.VOTER };
    });
    await bench.pass(2_000);
    expect(bench.asked.map(({ request }) => request.address)).toEqual([addressOf(SELF)]);
  });

  it('asks members and seeds in turn where it knows no leader, since nobody can reach it to tell', async () => {
    const bench = new Bench({ address: 'before:9093' });
    bench.consensus.leaderId = undefined;
    bench.joins(SEED, () => ({ outcome: JoinOutcome.VOTER }));
    await bench.pass(1_000);
    expect(bench.asked[0]?.address).toBe(SEED);
  });

  it('asks also where its log ends before it joined, once it has heard of no leader for long', async () => {
    const bench = new Bench(undefined);
    bench.consensus.leaderId = undefined;
    bench.describes(addressOf(1), true);
    bench.joins(addressOf(1), () => ({ outcome: JoinOutcome.LEARNER }));
    await bench.pass(LEADERLESS_MS - 500);
    expect(bench.asked, 'it may be on its way').toEqual([]);
    await bench.pass(2_000);
    expect(bench.asked[0]?.request).toMatchObject({ clusterId: CLUSTER, address: addressOf(SELF) });
    expect(bench.removals).toBe(0);
  });

  it('writes its address itself where it leads', async () => {
    const bench = new Bench({ address: 'before:9093' }, { leaderId: SELF });
    await bench.pass(1_000);
    const change = { kind: 'set-address', id: `${SELF}@${directoryOf(SELF)}`, address: addressOf(SELF) };
    expect([bench.consensus.changes, bench.asked]).toEqual([[change], []]);
  });
});

describe('a member that was removed', () => {
  it('finds out by its log, once a leader that has made sure says so, and then asks nothing more', async () => {
    const bench = new Bench(undefined);
    bench.describes(addressOf(1), undefined);
    await bench.pass(2_000);
    expect(bench.removals, 'who cannot tell says nothing').toBe(0);
    bench.describes(addressOf(2), false);
    await bench.pass(2_000);
    expect(bench.removals).toBe(1);
    expect(bench.clock.nextTimerInMs).toBeUndefined();
  });

  it('finds out where its log does not say so: it hears of no leader for long, and asks', async () => {
    const bench = new Bench({});
    bench.describes(addressOf(1), false);
    await bench.pass(1_000);
    expect(bench.removals, 'as long as somebody leads it').toBe(0);
    bench.consensus.leaderId = undefined;
    await bench.pass(LEADERLESS_MS - 1_000);
    expect(bench.removals, 'elections take a while').toBe(0);
    await bench.pass(2_000);
    expect(bench.removals).toBe(1);
  });

  it('believes no other cluster, and none that says that it is a member', async () => {
    const bench = new Bench(undefined);
    bench.describes(addressOf(1), false, 'anotheranotheranother0');
    bench.describes(addressOf(2), true);
    await bench.pass(5_000);
    expect(bench.removals).toBe(0);
  });

  it('finds out when it is refused', async () => {
    const bench = new Bench({ isVoter: false });
    bench.joins(addressOf(1), () => ({ outcome: JoinOutcome.REFUSED, reason: 'it was removed' }));
    bench.describes(addressOf(1), false);
    await bench.pass(1_000);
    expect(bench.removals).toBe(1);
  });
});

describe('a member that is refused though it is one', () => {
  it('says so once a leader has made sure that it is, and asks nothing more', async () => {
    const bench = new Bench({ address: 'before:9093' });
    bench.joins(addressOf(1), () => ({ outcome: JoinOutcome.REFUSED, reason: 'another process runs on a copy' }));
    await bench.pass(1_000);
    expect([bench.refusals, bench.asked.length > 1], 'nobody can tell yet').toEqual([[], true]);
    bench.describes(addressOf(2), true);
    await bench.pass(2_000);
    expect([bench.refusals, bench.removals]).toEqual([['another process runs on a copy'], 0]);
    expect(bench.clock.nextTimerInMs).toBeUndefined();
  });
});

describe('a keeper that is stopped', () => {
  it('asks nothing more, also behind a question that is under way', async () => {
    const bench = new Bench({ isVoter: false });
    let answer: (response: wire.JoinResponse) => void = () => undefined;
    bench.listening.set(addressOf(1), { join: () => new Promise((resolve) => (answer = resolve)) });
    await bench.pass(100);
    bench.keeper.stop();
    answer({ outcome: JoinOutcome.LEARNER, reason: '', clusterId: CLUSTER, clusterEpoch: 0, memberAddresses: [] });
    await bench.pass(100);
    expect(bench.clock.nextTimerInMs).toBeUndefined();
  });
});

describe('a leader', () => {
  it('invites a learner again that was let in, was never heard of and waits on that directory', async () => {
    const silent = { isVoter: false, progress: { matchIndex: 0, silentMs: 2 * LEADERLESS_MS } };
    const waiting = { nodeId: 4, directoryId: directoryOf(4), clusterId: '', formation: Formation.WAITING };
    const cases: readonly [member: Partial<LogMember>, found: Partial<wire.DescribeNodeResponse>, invited: boolean][] = [
      [silent, waiting, true],
      [silent, { ...waiting, formation: Formation.SEEKING }, true],
      [silent, { ...waiting, formation: Formation.MEMBER, clusterId: CLUSTER }, false],
      [silent, { ...waiting, directoryId: directoryOf(44) }, false],
      [{ ...silent, progress: { matchIndex: 7, silentMs: 2 * LEADERLESS_MS } }, waiting, false],
      [{ ...silent, progress: { matchIndex: 0, silentMs: 0 } }, waiting, false],
    ];
    for (const [member, found, isInvited] of cases) {
      const bench = new Bench({}, { leaderId: SELF });
      bench.consensus.list = [...bench.consensus.list, memberOf(4, { ...member, staysLearner: isInvited })];
      const invitations: wire.InviteRequest[] = [];
      bench.listening.set(addressOf(4), {
        describeNode: () => Promise.resolve(found as wire.DescribeNodeResponse),
        invite: (invitation) => {
          invitations.push(invitation);
          return Promise.resolve({ accepted: true, reason: '', otherCluster: false });
        },
      });
      await bench.pass(1_000);
      expect(invitations.length > 0, JSON.stringify([member, found])).toBe(isInvited);
      if (!isInvited) continue;
      const memberAddresses = [1, 2, SELF, 4].map(addressOf);
      expect(invitations[0]).toEqual({ clusterId: CLUSTER, memberAddresses, nodeId: 4, promoteToVoter: false });
    }
  });
});
