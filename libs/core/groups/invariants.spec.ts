import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LiveGroup } from './live-group';
import { GroupBench } from '@streamline/testing/groups/group-bench';
import { subscription } from '@streamline/testing/groups/group-story';

/** A client that follows the protocol, but for when the script makes it silent, forgetful or impatient. */
interface Client {
  readonly name: string;
  readonly instance: string | undefined;
  memberId: string;
  generationId: number;
  parkedJoin: number | undefined;
  parkedSync: number | undefined;
  /** Member ids that the leader is to assign to. */
  leads: string[];
}

const CLIENTS = 4;

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('join' as const), client: fc.nat(CLIENTS - 1), choice: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('sync' as const), client: fc.nat(CLIENTS - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('heartbeat' as const), client: fc.nat(CLIENTS - 1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('commit' as const), client: fc.nat(CLIENTS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), client: fc.nat(CLIENTS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), client: fc.nat(CLIENTS - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(100, 1_000, 3_000, 7_000) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('hold' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('release' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refuse' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const PROTOCOLS = [['range'], ['range', 'sticky'], ['sticky', 'range']];

class World {
  readonly bench: GroupBench;
  readonly clients: Client[];
  readonly seen = { stable: 0, generations: 0, restarts: 0 };
  #calls = 0;
  #lastGeneration = 0;

  constructor(initialRebalanceDelayMs: number) {
    this.bench = new GroupBench({ initialRebalanceDelayMs, maxSize: 3 });
    this.clients = Array.from({ length: CLIENTS }, (_, index) => ({
      name: `c${index}`,
      instance: index < 2 ? `i${index}` : undefined,
      memberId: '',
      generationId: -1,
      parkedJoin: undefined,
      parkedSync: undefined,
      leads: [],
    }));
  }

  take(one: Step): void {
    switch (one.kind) {
      case 'advance':
        this.bench.advance(one.ms);
        break;
      case 'hold':
        this.bench.holdsLog = true;
        break;
      case 'release':
        this.bench.release();
        break;
      case 'refuse':
        this.bench.refusesLog = one.on;
        break;
      case 'restart':
        this.seen.restarts += 1;
        this.bench.restart();
        this.#lastGeneration = 0;
        break;
      default: {
        const client = this.clients[one.client];
        if (client !== undefined) this.#act(client, one.kind, one.kind === 'join' ? one.choice : 0);
      }
    }
    this.bench.expireDue();
    this.#hear();
    this.#check();
  }

  #act(client: Client, kind: 'join' | 'sync' | 'heartbeat' | 'commit' | 'leave' | 'forget', choice: number): void {
    const { bench } = this;
    const member = {
      groupId: 'g',
      memberId: client.memberId,
      groupInstanceId: client.instance,
      generationId: client.generationId,
    };
    switch (kind) {
      case 'join':
        this.#join(client, choice);
        break;
      case 'sync': {
        this.#calls += 1;
        client.parkedSync = this.#calls;
        const assignments = client.leads.map((memberId) => ({ memberId, assignment: Buffer.from(`for ${memberId}`) }));
        bench.step((turn) => {
          bench.coordinator.sync(turn, { ...member, assignments }, this.#calls);
        });
        break;
      }
      case 'heartbeat':
        bench.step((turn) => bench.coordinator.heartbeat(turn, member));
        break;
      case 'commit': {
        const offsets = [{ topic: 't', topicId: '', partition: 0, offset: bench.log.length, leaderEpoch: -1 }];
        bench.step((turn) => bench.coordinator.commit(turn, { ...member, offsets, retentionTimeMs: -1, apiVersion: 9 }));
        break;
      }
      case 'leave':
        bench.step((turn) => bench.coordinator.leave(turn, { groupId: 'g', members: [member] }));
        break;
      case 'forget':
        client.memberId = '';
        break;
    }
  }

  #join(client: Client, choice: number): void {
    this.#calls += 1;
    client.parkedJoin = this.#calls;
    const protocols = (PROTOCOLS[choice] ?? []).map((name) => ({ name, metadata: subscription(['t']) }));
    const command = {
      groupId: 'g',
      memberId: client.memberId,
      groupInstanceId: client.instance,
      protocolType: 'consumer',
      protocols,
      sessionTimeoutMs: 6_000,
      rebalanceTimeoutMs: 8_000,
      clientId: client.name,
      clientHost: '',
      requireKnownMemberId: true,
      supportsSkipAssignment: true,
    };
    this.bench.step((turn) => {
      this.bench.coordinator.join(turn, command, this.#calls, String(this.#calls));
    });
  }

  #hear(): void {
    for (const client of this.clients) {
      const joined = client.parkedJoin === undefined ? undefined : this.bench.joins.get(client.parkedJoin);
      if (joined === undefined) continue;
      client.parkedJoin = undefined;
      if (joined.errorCode === 25 || joined.errorCode === 82) client.memberId = '';
      else if (joined.memberId !== '') client.memberId = joined.memberId;
      if (joined.errorCode !== 0) continue;
      client.generationId = joined.generationId;
      client.leads = joined.members.map(({ memberId }) => memberId);
      expect(joined.members.length > 0).toBe(joined.leader === joined.memberId);
    }
  }

  #check(): void {
    const { bench } = this;
    for (const group of bench.coordinator.live.values()) this.#checkGroup(group);
    let usedBytes = 0;
    for (const { members, pendingJoins } of bench.coordinator.live.values()) {
      usedBytes += 1_024 * (members.size + pendingJoins.size);
      for (const { protocols } of members.values()) for (const { metadata } of protocols) usedBytes += metadata.byteLength;
    }
    expect(bench.usage.bytes).toBe(usedBytes);
    for (const { needed, durable } of bench.answered) expect(durable).toBeGreaterThanOrEqual(needed);
    expect(bench.replayed().groups).toEqual(bench.coordinator.image.groups);
  }

  #checkGroup(group: LiveGroup): void {
    const members = [...group.members.values()];
    expect(group.generationId).toBeGreaterThanOrEqual(this.#lastGeneration);
    if (group.generationId > this.#lastGeneration) this.seen.generations += 1;
    this.#lastGeneration = group.generationId;
    expect(group.leader === undefined).toBe(members.length === 0);
    if (group.leader !== undefined) expect(group.members.has(group.leader)).toBe(true);
    expect(group.awaitingJoinCount).toBe(members.filter(({ joinWaiter }) => joinWaiter !== undefined).length);
    const instances = members.filter(({ groupInstanceId }) => groupInstanceId !== undefined);
    expect([...group.staticMembers.values()].sort()).toEqual(instances.map(({ memberId }) => memberId).sort());
    if (group.state === 'Empty') expect(members).toEqual([]);
    if (group.state === 'CompletingRebalance' || group.state === 'Stable') {
      expect(members.every(({ joinWaiter }) => joinWaiter === undefined)).toBe(true);
      expect(members.every(({ protocols }) => protocols.some(({ name }) => name === group.protocol))).toBe(true);
      expect(members.length).toBeLessThanOrEqual(this.bench.config.maxSize);
    }
    if (group.state === 'Stable') this.#checkStable(group);
  }

  /** Every member of a stable generation has the assignment that the log has. */
  #checkStable(group: LiveGroup): void {
    this.seen.stable += 1;
    const stored = this.bench.coordinator.image.groups.get('g')?.stored;
    expect(stored?.generationId).toBe(group.generationId);
    expect(stored?.leader).toBe(group.leader);
    const storedById = new Map(stored?.members.map((member) => [member.memberId, member.assignment]));
    expect([...storedById.keys()].sort()).toEqual([...group.members.keys()].sort());
    for (const member of group.members.values()) {
      expect(member.syncWaiter).toBeUndefined();
      expect(Buffer.from(member.assignment)).toEqual(Buffer.from(storedById.get(member.memberId) ?? []));
    }
  }
}

describe('a group of clients that come, go, fall silent and lose their memory', () => {
  it('keeps one leader, growing generations, whole assignments, and answers only what is durable', () => {
    const totals = { stable: 0, generations: 0, restarts: 0 };
    fc.assert(
      fc.property(fc.constantFrom(0, 3_000), fc.array(step, { minLength: 20, maxLength: 120 }), (delayMs, steps) => {
        const world = new World(delayMs);
        for (const one of steps) world.take(one);
        totals.stable += world.seen.stable;
        totals.generations += world.seen.generations;
        totals.restarts += world.seen.restarts;
      }),
      { numRuns: 200 },
    );
    expect(totals.stable).toBeGreaterThan(100);
    expect(totals.generations).toBeGreaterThan(100);
    expect(totals.restarts).toBeGreaterThan(10);
  });
});
