import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { Failure } from '@streamline/core/metadata/decision';
import { OUR_FEATURES, unsupportedFinalized } from '@streamline/core/metadata/features';
import type { PartitionNames, Removal } from '@streamline/core/metadata/remove-broker';
import type { NodeId } from '@streamline/core/types/ids';
import { addressOf, directoryOf, memberOf, ScriptedConsensus } from '@streamline/testing/controller/scripted-consensus';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import {
  Formation,
  JoinOutcome,
  MembershipOutcome,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/membership';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { MembershipPort } from '@streamline/wire/contracts/ports';
import { describe, expect, it } from 'vitest';
import type { DrainProgress } from './membership-operations';
import { MembershipOperations } from './membership-operations';

const CLUSTER = 'clusterclustercluster0';
const SILENT_MS = 1_000;
const NONE: PartitionNames = { total: 0, names: [] };

/** The leader, node 1, of a cluster of the nodes that are given (1 to 3 by default). */
class Bench {
  readonly clock = new VirtualClock();
  readonly consensus: ScriptedConsensus;
  /** What listens at an address; nobody elsewhere. */
  readonly listening = new Map<string, Partial<MembershipPort>>();
  held: PartitionNames = NONE;
  removal: Removal | Failure = { error: undefined, held: NONE, lost: NONE };
  registered = new Set<number>();
  /** What a drain comes to; undefined: whatever is held is on its way. */
  drained: DrainProgress | Failure | undefined;
  readonly drains: number[] = [];
  readonly kept: number[] = [];
  readonly removals: [nodeId: number, force: boolean][] = [];
  /** Brokers that may not register now. */
  readonly keptOut = new Set<number>();
  /** Called as its broker is taken out of the metadata. */
  onRemoval: () => void = () => undefined;
  readonly operations: MembershipOperations;

  constructor(nodeIds: readonly number[] = [1, 2, 3], differing: Parameters<typeof memberOf>[1] = {}) {
    const members = nodeIds.map((id) => memberOf(id, id === nodeIds.at(-1) ? differing : {}));
    this.consensus = new ScriptedConsensus(1 as NodeId, 1 as NodeId, members);
    this.operations = new MembershipOperations({
      clock: this.clock,
      clusterId: () => CLUSTER,
      consensus: this.consensus,
      silentMs: SILENT_MS,
      timing: DEFAULT_RAFT_CONFIG,
      peers: {
        controllerAt: () => expect.fail('nothing is forwarded'),
        askMembership: (address, ask) => {
          const port = this.listening.get(address);
          return port === undefined ? Promise.reject(new PortError('unavailable', 'connection refused')) : ask(fakePort(port));
        },
      },
      brokers: {
        isRegistered: (nodeId) => this.registered.has(nodeId),
        partitionsOf: () => this.held,
        drain: (nodeId) => {
          this.drains.push(nodeId);
          const { held } = this;
          return Promise.resolve(this.drained ?? { error: undefined, held, waiting: NONE, heldAtFirst: 12 });
        },
        keep: (nodeId) => {
          this.kept.push(nodeId);
          return Promise.resolve(0);
        },
        remove: (nodeId, force) => {
          this.removals.push([nodeId, force]);
          this.onRemoval();
          return Promise.resolve(this.removal);
        },
        keepOut: (nodeId) => {
          this.keptOut.add(nodeId);
          return () => this.keptOut.delete(nodeId);
        },
      },
      unsupported: (told) => unsupportedFinalized({ features: new Map([['metadata.version', 2]]) }, told),
    });
  }

  join(nodeId: number, differing: Partial<wire.JoinRequest> = {}) {
    return this.operations.join({
      nodeId,
      directoryId: directoryOf(nodeId),
      address: addressOf(nodeId),
      clusterId: '',
      promoteToVoter: true,
      features: [...OUR_FEATURES],
      incarnationId: 'first',
      ...differing,
    });
  }

  add(nodeId: number, differing: Partial<wire.AddMemberRequest> = {}, deadlineMs = 5_000) {
    const request = { nodeId, address: addressOf(nodeId), promoteToVoter: true, directoryId: '', ...differing };
    return this.operations.add(request, deadlineMs);
  }

  remove(nodeId: number, differing: Partial<wire.RemoveMemberRequest> = {}) {
    return this.operations.remove({ nodeId, force: false, directoryId: '', keepAsLearner: false, ...differing });
  }

  /** A node without data waits for an invitation at its address; `accept` is what it does when one comes. */
  waits(nodeId: number, accept: () => void = () => undefined, differing: Partial<wire.DescribeNodeResponse> = {}): void {
    this.listening.set(addressOf(nodeId), {
      describeNode: () =>
        Promise.resolve({
          nodeId,
          directoryId: directoryOf(nodeId),
          clusterId: '',
          formation: Formation.WAITING,
          incarnationId: 'first',
          leaderAddress: '',
          memberAddresses: [],
          softwareVersion: '1',
          mayBootstrap: false,
          clusterEpoch: 0,
          ...differing,
        }),
      invite: () => {
        accept();
        return Promise.resolve({ accepted: true, reason: '', otherCluster: false });
      },
    });
  }

  /** Lets time pass until the answer is there, ten seconds at most. */
  async within<Answer>(answer: Promise<Answer>, meanwhile: (passedMs: number) => void = () => undefined): Promise<Answer> {
    let isThere = false;
    void answer.finally(() => (isThere = true)).catch(() => undefined);
    for (let passedMs = 0; passedMs <= 10_000; passedMs += 10) {
      await new Promise((resolve) => setImmediate(resolve));
      if (isThere) break;
      meanwhile(passedMs);
      this.clock.advance(10);
    }
    return answer;
  }
}

describe('a node that asks to join', () => {
  it('becomes a learner, and a voter once it has caught up', async () => {
    const bench = new Bench();
    expect(await bench.join(4)).toMatchObject({ outcome: JoinOutcome.LEARNER });
    bench.consensus.changeReplies.push({ kind: 'refused', reason: 'not-caught-up', message: '' });
    expect(await bench.join(4)).toEqual({ outcome: JoinOutcome.LEARNER, reason: 'it has not caught up with the log yet' });
    expect(await bench.join(4)).toEqual({ outcome: JoinOutcome.VOTER, reason: '' });
    expect(bench.consensus.changes.map(({ kind }) => kind)).toEqual(['add-learner', 'promote', 'promote']);
  });

  it('is not promoted where it is to stay a learner, however often it asks', async () => {
    const bench = new Bench();
    await bench.join(4, { promoteToVoter: false });
    expect(await bench.join(4)).toEqual({ outcome: JoinOutcome.LEARNER, reason: 'it is to stay a learner' });
    expect(bench.consensus.members().at(-1)).toMatchObject({ nodeId: 4, isVoter: false, staysLearner: true });
  });

  it('stays a learner as the eighth, and says so', async () => {
    const bench = new Bench([1, 2, 3, 4, 5, 6, 7]);
    expect(await bench.join(8)).toEqual({ outcome: JoinOutcome.LEARNER, reason: 'it is to stay a learner' });
    expect(bench.consensus.members().at(-1)).toMatchObject({ nodeId: 8, isVoter: false, staysLearner: true });
  });

  it('stays a learner where the seventh vote was given away while it caught up', async () => {
    const bench = new Bench([1, 2, 3, 4, 5, 6, 7, 8], { isVoter: false });
    const { outcome, reason } = await bench.join(8);
    expect([outcome, reason]).toEqual([JoinOutcome.LEARNER, expect.stringContaining('7 voters, which is the most')]);
    expect(bench.consensus.members().at(-1)).toMatchObject({ isVoter: false, staysLearner: true });
  });

  it('is refused where its version is too old for what is finalized, and told which one it takes', async () => {
    const bench = new Bench();
    const refused = (reason: string) => ({ outcome: JoinOutcome.REFUSED, reason: expect.stringContaining(reason) as string });
    const features = [{ name: 'metadata.version', minLevel: 1, maxLevel: 1 }];
    const told = 'has finalized metadata.version at level 2';
    expect(await bench.join(4, { features })).toEqual(refused(told));
    expect(await bench.join(4, { features: [] }), 'a version from before features were told').toEqual(refused(told));
    expect((await bench.join(4, { features })).reason).toContain('start a version that supports level 2');
    expect(bench.consensus.changes).toEqual([]);
  });

  it('is refused with another cluster id, and where it was removed', async () => {
    const bench = new Bench();
    const foreign = await bench.join(2, { clusterId: 'anotheranotheranother0' });
    expect(foreign).toEqual({
      outcome: JoinOutcome.REFUSED,
      reason: `it belongs to cluster anotheranotheranother0, this is cluster ${CLUSTER}`,
    });
    const removed = await bench.join(4, { clusterId: CLUSTER });
    expect(removed).toMatchObject({ outcome: JoinOutcome.REFUSED, reason: expect.stringContaining('it was removed') as string });
    expect(bench.consensus.changes).toEqual([]);
  });

  it('is refused with settings of Raft by which it and the leader would depose each other; a member is not', async () => {
    const quick = { heartbeatIntervalMs: 50, electionTimeoutMinMs: 200, electionTimeoutMaxMs: 400 };
    const bench = new Bench();
    expect(await bench.join(4, { timing: quick })).toEqual({
      outcome: JoinOutcome.REFUSED,
      reason: expect.stringContaining('election_timeout_min_ms 200'),
    });
    expect((await bench.join(2, { clusterId: CLUSTER, timing: quick })).outcome).toBe(JoinOutcome.VOTER);
    const fitting = { ...quick, electionTimeoutMinMs: 501 };
    expect((await bench.join(4, { timing: fitting })).outcome).not.toBe(JoinOutcome.REFUSED);
  });

  it('is refused with the address of another node', async () => {
    const bench = new Bench();
    const { outcome, reason } = await bench.join(4, { address: addressOf(3) });
    expect([outcome, reason]).toEqual([JoinOutcome.REFUSED, expect.stringContaining('is that of node 3')]);
  });

  it('is refused with the id of a node that is heard of, also if that was silent for a moment', async () => {
    const bench = new Bench();
    bench.consensus.set(3, { progress: { matchIndex: 1, silentMs: 400 } });
    const answer = bench.join(3, { directoryId: directoryOf(33), address: addressOf(33) });
    const { outcome, reason } = await bench.within(answer, (passedMs) => {
      const silentMs = passedMs < 300 ? 400 + passedMs : passedMs - 300;
      bench.consensus.set(3, { progress: { matchIndex: 1, silentMs } });
    });
    expect([outcome, reason]).toEqual([JoinOutcome.REFUSED, expect.stringContaining('node id 3 is in use by a running node')]);
    expect(bench.consensus.changes).toEqual([]);
  });

  it('takes the place of the member with its id and the lost disk once that stays silent, in one step', async () => {
    const bench = new Bench();
    bench.consensus.set(3, { progress: { matchIndex: 1, silentMs: 400 } });
    const answer = bench.join(3, { directoryId: directoryOf(33) });
    const { outcome } = await bench.within(answer, (passedMs) => {
      bench.consensus.set(3, { progress: { matchIndex: 1, silentMs: 400 + passedMs } });
    });
    expect(outcome).toBe(JoinOutcome.LEARNER);
    expect(bench.consensus.changes.map(({ kind }) => kind)).toEqual(['remove', 'add-learner']);
    expect(bench.consensus.members().at(-1)).toMatchObject({ nodeId: 3, directoryId: directoryOf(33), isVoter: false });
  });

  it('tells an address that has changed, and stays the voter that it is', async () => {
    const bench = new Bench();
    const answer = await bench.join(3, { clusterId: CLUSTER, address: 'moved:9093' });
    expect(answer).toEqual({ outcome: JoinOutcome.VOTER, reason: '' });
    expect(bench.consensus.members().at(-1)).toMatchObject({ address: 'moved:9093', isVoter: true });
  });

  it('is refused at another address where another process answers as the same member: one of the two is a copy', async () => {
    const bench = new Bench();
    const request = { clusterId: CLUSTER, address: 'copy:9093' };
    bench.waits(3, undefined, { clusterId: CLUSTER, incarnationId: 'another' });
    const { outcome, reason } = await bench.join(3, request);
    expect([outcome, reason]).toEqual([
      JoinOutcome.REFUSED,
      expect.stringContaining('a copy of its data directory, at host3:9093'),
    ]);
    expect(bench.consensus.changes).toEqual([]);
    bench.waits(3, undefined, { clusterId: CLUSTER, incarnationId: 'first' });
    expect(await bench.join(3, request), 'found at both addresses').toMatchObject({ outcome: JoinOutcome.VOTER });
  });

  it('is to ask again while another change is under way', async () => {
    const bench = new Bench();
    bench.consensus.changeReplies.push({ kind: 'refused', reason: 'change-in-progress', message: 'a change is under way' });
    expect(await bench.join(4)).toEqual({ outcome: JoinOutcome.BUSY, reason: 'a change is under way' });
  });
});

describe('adding a member', () => {
  it('invites the node and answers once it votes', async () => {
    const bench = new Bench();
    bench.waits(4);
    const answer = await bench.within(bench.add(4), (passedMs) => {
      if (passedMs === 100) void bench.join(4);
      if (passedMs === 200) void bench.join(4);
    });
    expect(answer).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'voter' });
  });

  it('answers for a learner that is to stay one as soon as it is there', async () => {
    const bench = new Bench();
    bench.waits(4, () => void bench.join(4, { promoteToVoter: false }));
    const answer = await bench.within(bench.add(4, { promoteToVoter: false }));
    expect(answer).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'learner' });
  });

  it('warns of an eighth node that it stays a learner', async () => {
    const bench = new Bench([1, 2, 3, 4, 5, 6, 7]);
    bench.waits(8, () => void bench.join(8));
    expect(await bench.within(bench.add(8))).toMatchObject({
      outcome: MembershipOutcome.NOT_PROMOTED,
      reason: 'the cluster has 7 voters, which is the most',
      role: 'learner',
    });
  });

  it('promotes a learner that was to stay one when it is told to', async () => {
    const bench = new Bench([1, 2, 3, 4], { isVoter: false, staysLearner: true });
    const answer = await bench.within(bench.add(4), (passedMs) => {
      if (passedMs === 50) void bench.join(4);
    });
    expect(answer).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'voter' });
  });

  it('invites a member again that waits: it was let in and does not know it, or its disk was lost', async () => {
    const learner = new Bench([1, 2, 3, 4], { isVoter: false });
    learner.waits(4, () => void learner.join(4));
    expect(await learner.within(learner.add(4))).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'voter' });
    const wiped = new Bench([1, 2, 3], { progress: { matchIndex: 1, silentMs: 2 * SILENT_MS } });
    const directoryId = directoryOf(33);
    wiped.waits(
      3,
      () => {
        void wiped.join(3, { directoryId }).then(() => wiped.join(3, { directoryId }));
      },
      { directoryId },
    );
    expect(await wiped.within(wiped.add(3))).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'voter' });
    expect(wiped.consensus.members().find(({ nodeId }) => nodeId === 3)).toMatchObject({ directoryId, isVoter: true });
    expect(wiped.consensus.changes.map(({ kind }) => kind)).toEqual(['remove', 'add-learner', 'promote']);
  });

  it('lets no directory in again that another has replaced while the node was asked what it is', async () => {
    const bench = new Bench([1, 2, 3, 4], { isVoter: false, staysLearner: true });
    bench.listening.set(addressOf(4), {
      describeNode: () => {
        bench.consensus.set(4, { directoryId: directoryOf(44) });
        return Promise.reject(new PortError('unavailable', 'the connection was closed'));
      },
    });
    expect(await bench.within(bench.add(4))).toMatchObject({ outcome: MembershipOutcome.FAILED });
    expect(bench.consensus.changes).toEqual([]);
  });

  it('answers at its deadline whatever hangs, and says how far it is', async () => {
    const bench = new Bench();
    bench.waits(4, () => void bench.join(4));
    const { outcome, reason } = await bench.within(bench.add(4, {}, 2_000));
    expect([outcome, reason]).toEqual([MembershipOutcome.NOT_PROMOTED, expect.stringContaining('has not caught up')]);
    expect(bench.clock.monotonicMs()).toBeLessThan(2_100);
    bench.waits(5);
    const second = await bench.within(bench.add(5, {}, 1_000));
    expect(second).toMatchObject({
      outcome: MembershipOutcome.FAILED,
      reason: 'node 5 accepted the invitation, but did not join in time',
    });
    expect(bench.clock.nextTimerInMs, 'nothing goes on behind the answer').toBeUndefined();
  });

  it('fails for a node that is down, and one that was removed, with what is right', async () => {
    const bench = new Bench();
    expect(await bench.add(4)).toMatchObject({
      outcome: MembershipOutcome.FAILED,
      reason: 'node 4 does not answer at host4:9093: connection refused',
    });
    bench.waits(4, undefined, { formation: Formation.REMOVED });
    expect((await bench.add(4)).reason).toContain('empty --data-dir');
  });

  it('names --bootstrap never for a node that has a cluster of its own, and what is at fault of a request', async () => {
    const bench = new Bench();
    bench.waits(4, undefined, { clusterId: 'anotheranotheranother0', formation: Formation.MEMBER });
    const other = await bench.add(4);
    expect([other.outcome, other.reason]).toEqual([
      MembershipOutcome.OTHER_CLUSTER,
      expect.stringContaining('--bootstrap never'),
    ]);
    bench.waits(5);
    const invalid = { outcome: MembershipOutcome.INVALID };
    expect(await bench.add(6, { address: addressOf(5) })).toMatchObject({ ...invalid, field: 'node_id' });
    expect(await bench.add(5, { directoryId: directoryOf(9) })).toMatchObject({ ...invalid, field: 'directory_id' });
    expect(await bench.add(5, { address: addressOf(3) })).toMatchObject({ ...invalid, field: 'raft_addr' });
    expect(await bench.add(0)).toMatchObject({ ...invalid, field: 'node_id' });
  });

  it('says who leads where that is another node, also if it was lost while waiting', async () => {
    const bench = new Bench();
    bench.waits(4, () => void bench.join(4));
    const answer = await bench.within(bench.add(4), (passedMs) => {
      if (passedMs === 100) bench.consensus.leaderId = 2 as NodeId;
    });
    const notLeader = { outcome: MembershipOutcome.NOT_LEADER, leaderId: 2 };
    expect(answer).toMatchObject(notLeader);
    expect(await bench.add(4)).toMatchObject(notLeader);
    expect(await bench.remove(3)).toMatchObject(notLeader);
    expect(await bench.operations.transfer({ nodeId: 3 })).toMatchObject(notLeader);
  });
});

describe('removing a member', () => {
  const HELD: PartitionNames = { total: 12, names: Array.from({ length: 12 }, (_, n) => `orders-${n}`) };

  it('forgets its broker first, and keeps it out until it is no member', async () => {
    const bench = new Bench();
    const members = (): number[] => bench.consensus.members().map(({ nodeId }) => nodeId);
    let atRemoval: readonly [number[], number[]] | undefined;
    bench.onRemoval = () => (atRemoval = [members(), [...bench.keptOut]]);
    expect(await bench.remove(3)).toMatchObject({ outcome: MembershipOutcome.DONE, lostPartitions: [] });
    expect(atRemoval).toEqual([[1, 2, 3], [3]]);
    expect([members(), bench.removals, [...bench.keptOut]]).toEqual([[1, 2], [[3, false]], []]);
  });

  it('by force takes it out of the consensus first, also where nothing is on it', async () => {
    const bench = new Bench();
    let members = 0;
    bench.onRemoval = () => (members = bench.consensus.members().length);
    expect(await bench.remove(3, { force: true })).toMatchObject({ outcome: MembershipOutcome.DONE });
    expect([members, bench.removals]).toEqual([2, [[3, true]]]);
  });

  it('moves the replicas that are on it first, tells how far that is, and removes it when none is left', async () => {
    const bench = new Bench();
    bench.held = HELD;
    const { outcome, partitionsLeft, partitionsTotal } = await bench.remove(3);
    expect([outcome, partitionsLeft, partitionsTotal]).toEqual([MembershipOutcome.UNDER_WAY, 12, 12]);
    bench.held = { total: 3, names: HELD.names.slice(0, 3) };
    const waiting = { total: 1, names: ['orders-1'] };
    bench.drained = { error: undefined, held: bench.held, waiting, heldAtFirst: 12 };
    const stuck = await bench.remove(3);
    expect(stuck).toMatchObject({ outcome: MembershipOutcome.UNDER_WAY, partitionsLeft: 3, partitionsTotal: 12 });
    expect(stuck.reason).toMatch(/repeat the command; nobody leads 1 of them, so they cannot be copied: orders-1$/);
    expect([bench.drains, bench.consensus.changes, bench.removals]).toEqual([[3, 3], [], []]);
    bench.held = NONE;
    expect(await bench.remove(3)).toMatchObject({ outcome: MembershipOutcome.DONE });
    expect(bench.removals).toEqual([[3, false]]);
  });

  it('refuses where its replicas fit nowhere else, and says why', async () => {
    const bench = new Bench();
    bench.held = HELD;
    bench.drained = { error: { errorCode: 39, message: 'they fit nowhere' }, held: HELD, waiting: NONE, heldAtFirst: 12 };
    expect(await bench.remove(3)).toMatchObject({
      outcome: MembershipOutcome.HOLDS_PARTITIONS,
      reason: 'they fit nowhere',
      partitionsLeft: 12,
    });
    bench.drained = { errorCode: 7, message: 'too late' };
    expect(await bench.remove(3)).toMatchObject({ outcome: MembershipOutcome.FAILED, reason: 'too late' });
    expect([bench.consensus.changes, bench.removals]).toEqual([[], []]);
  });

  it('is called off by adding the member again', async () => {
    const bench = new Bench();
    expect(await bench.add(3)).toMatchObject({ outcome: MembershipOutcome.DONE, role: 'voter' });
    expect(bench.kept).toEqual([3]);
  });

  it('with force tells what the metadata says is lost, not all that was held', async () => {
    const bench = new Bench();
    bench.held = HELD;
    bench.removal = { error: undefined, held: HELD, lost: { total: 2, names: ['orders-3', 'orders-7'] } };
    expect(await bench.remove(3, { force: true })).toMatchObject({
      outcome: MembershipOutcome.DONE,
      partitionsTotal: 12,
      lostPartitions: ['orders-3', 'orders-7'],
      reason: '2 partitions may have lost records: orders-3, orders-7',
    });
    expect(bench.removals).toEqual([[3, true]]);
  });

  it('moves away what was placed on it meanwhile, as a member as before', async () => {
    const bench = new Bench();
    const held = { total: 1, names: ['late-0'] };
    bench.removal = { error: { errorCode: 42, message: 'it holds' }, held, lost: NONE };
    bench.onRemoval = () => (bench.held = held);
    expect(await bench.remove(3)).toMatchObject({ outcome: MembershipOutcome.UNDER_WAY, partitionsLeft: 1 });
    expect([bench.drains, bench.consensus.changes, [...bench.keptOut]]).toEqual([[3], [], []]);
  });

  it('stays a member whose broker may register where the metadata could not be changed', async () => {
    const bench = new Bench();
    bench.removal = { errorCode: 7, message: 'Timed out.' };
    expect(await bench.remove(3)).toMatchObject({ outcome: MembershipOutcome.FAILED, reason: 'Timed out.' });
    expect([bench.consensus.changes, [...bench.keptOut]]).toEqual([[], []]);
  });

  it('finishes what ended between the consensus and the metadata, and says so where it cannot', async () => {
    const bench = new Bench([1, 2]);
    bench.registered.add(3);
    expect(await bench.remove(3)).toMatchObject({ outcome: MembershipOutcome.DONE });
    bench.removal = { errorCode: 7, message: 'Timed out.' };
    const { outcome, reason } = await bench.remove(3);
    expect(outcome).toBe(MembershipOutcome.FAILED);
    expect(reason).toBe('it left the consensus, but its broker is still registered: Timed out. Repeat the command.');
  });

  it('refuses the leader, a stranger, and another directory than is meant', async () => {
    const bench = new Bench();
    expect(await bench.remove(1)).toMatchObject({
      outcome: MembershipOutcome.IS_LEADER,
      reason: 'Cannot remove the current leader. Transfer leadership first.',
    });
    const stranger = { outcome: MembershipOutcome.NOT_A_MEMBER, reason: 'Node 9 is not a member of the cluster' };
    expect(await bench.remove(9)).toMatchObject(stranger);
    bench.registered.add(3);
    expect(await bench.remove(3, { directoryId: directoryOf(33) })).toMatchObject({ outcome: MembershipOutcome.NOT_A_MEMBER });
    expect([bench.consensus.changes, bench.removals]).toEqual([[], []]);
  });

  it('takes only its vote where it is to stay a learner', async () => {
    const bench = new Bench();
    bench.held = HELD;
    expect(await bench.remove(3, { keepAsLearner: true })).toMatchObject({ outcome: MembershipOutcome.DONE });
    expect(bench.consensus.members().at(-1)).toMatchObject({ nodeId: 3, isVoter: false, staysLearner: true });
    expect(bench.removals).toEqual([]);
  });

  it('says why the consensus refuses, and lets the broker register again', async () => {
    const bench = new Bench();
    bench.consensus.changeReplies.push({ kind: 'unknown' });
    expect(await bench.remove(3)).toMatchObject({
      outcome: MembershipOutcome.FAILED,
      reason: 'leadership was lost meanwhile: the change may or may not come to pass',
    });
    expect([...bench.keptOut]).toEqual([]);
  });
});

describe('handing leadership over', () => {
  it('goes to the voter that is named, or to whoever is furthest', async () => {
    const bench = new Bench();
    const done = { outcome: MembershipOutcome.DONE };
    expect(await bench.operations.transfer({ nodeId: 2 })).toMatchObject({ ...done, leaderId: 2 });
    expect(await bench.operations.transfer({ nodeId: 0 })).toMatchObject(done);
    expect(bench.consensus.transfers).toEqual([`2@${directoryOf(2)}`, undefined]);
    expect(await bench.operations.transfer({ nodeId: 1 }), 'it leads already').toMatchObject({ ...done, leaderId: 1 });
  });

  it('is refused to a learner and to a stranger, and fails where nobody takes over', async () => {
    const bench = new Bench([1, 2, 3], { isVoter: false });
    expect(await bench.operations.transfer({ nodeId: 3 })).toMatchObject({ outcome: MembershipOutcome.INVALID });
    expect(await bench.operations.transfer({ nodeId: 9 })).toMatchObject({ outcome: MembershipOutcome.NOT_A_MEMBER });
    bench.consensus.transferReply = { kind: 'timed-out' };
    expect(await bench.operations.transfer({ nodeId: 2 })).toMatchObject({
      outcome: MembershipOutcome.FAILED,
      reason: 'node 2 did not take over in time',
    });
  });

  it.each([
    ['not-a-voter', 0, 'there is no other voter to take it: add one first'],
    ['not-a-voter', 2, 'node 2 is no voter any more'],
    ['unreachable', 2, 'node 2 is not reached'],
    ['unreachable', 0, 'the voter whose log is furthest is not reached'],
    ['transferring', 2, 'leadership is being handed over already'],
    ['busy', 2, 'cannot hand it over now (busy)'],
  ] as const)('that is refused as %s to %i says why in words', async (reason, nodeId, words) => {
    const bench = new Bench();
    bench.consensus.transferReply = { kind: 'refused', reason };
    const answer = await bench.operations.transfer({ nodeId });
    expect(answer).toMatchObject({ outcome: MembershipOutcome.FAILED, reason: expect.stringContaining(words) as unknown });
  });
});
