import { describe, expect, it } from 'vitest';
import { EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { Proposal } from '@streamline/core/raft/types';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { type Host, memberId, RaftHostKit, votersUpTo } from '@streamline/testing/raft-host/raft-host-kit';
import { encodeCommand } from '@streamline/testing/raft-host/register-machine';
import { SeededRandom } from '@streamline/testing/time/seeded-random';

const CALL = { deadlineMs: 5_000, forward: true };

function write(key: string, value: string): Proposal {
  return { records: [encodeCommand({ key, operation: { kind: 'write', value } })] };
}

async function cluster(count: number, config = {}): Promise<RaftHostKit> {
  const kit = new RaftHostKit(votersUpTo(count), config);
  for (let node = 1; node <= count; node++) await kit.start(node);
  await kit.until('a leader', () => kit.leader !== undefined);
  return kit;
}

function leaderOf(kit: RaftHostKit): Host {
  const { leader } = kit;
  if (leader === undefined) throw new Error('nobody leads');
  return leader;
}

function follower(kit: RaftHostKit): Host {
  const found = [...kit.hosts.values()].find(({ driver }) => !driver.leads && !driver.isStopped);
  if (found === undefined) throw new Error('everybody leads');
  return found;
}

async function put(kit: RaftHostKit, host: Host, key: string, value: string): Promise<void> {
  const reply = await kit.outcome(host.driver.propose([write(key, value)], CALL));
  expect(reply.kind).toBe('applied');
}

describe('RaftDriver', () => {
  it('elects a single voter without waiting for time, also after a restart', async () => {
    const kit = new RaftHostKit(votersUpTo(1));
    const host = await kit.start(1);
    await kit.settle();
    expect([host.driver.leads, host.driver.status.term, kit.clock.monotonicMs()]).toEqual([true, 1, 0]);
    const reply = host.driver.propose([write('a', '1'), write('b', '2')], CALL);
    await kit.settle();
    expect(await reply).toMatchObject({
      kind: 'applied',
      firstIndex: 2,
      results: [{ results: ['done'] }, { results: ['done'] }],
    });
    const again = await kit.restart(host, 'crash');
    await kit.settle();
    expect([again.driver.leads, again.driver.status.term, kit.clock.monotonicMs()]).toEqual([true, 2, 0]);
    expect([again.machine.read('a'), again.machine.read('b')]).toEqual(['1', '2']);
  });

  it('applies at every member what any of them was asked to propose, and reads it anywhere afterwards', async () => {
    const kit = await cluster(3);
    await put(kit, leaderOf(kit), 'a', 'at the leader');
    await put(kit, follower(kit), 'b', 'forwarded');
    for (const host of kit.hosts.values()) {
      const read = await kit.outcome(host.driver.readIndex({ deadlineMs: 5_000 }));
      expect(read.kind).toBe('ready');
      expect([host.machine.read('a'), host.machine.read('b')]).toEqual(['at the leader', 'forwarded']);
    }
  });

  it('loses nothing that was answered when the leader dies, and takes it back as a follower', async () => {
    const kit = await cluster(3);
    const first = leaderOf(kit);
    for (let n = 0; n < 20; n++) await put(kit, first, `k${n}`, String(n));
    first.driver.kill();
    kit.hosts.delete(first.id);
    await first.storage.close();
    await kit.until('another leader', () => kit.leader !== undefined);
    await put(kit, leaderOf(kit), 'after', 'yes');
    const back = await kit.start(Number(first.id[0]), first.disk.crash());
    await kit.until('caught up', () => back.machine.read('after') === 'yes');
    for (let n = 0; n < 20; n++) expect(back.machine.read(`k${n}`)).toBe(String(n));
    expect(back.driver.leads).toBe(false);
  });

  it('tells a caller that its proposal was lost, or that it does not know, and never that it was applied', async () => {
    const kit = await cluster(3);
    const first = leaderOf(kit);
    kit.network.isolate(first.id);
    const reply = first.driver.propose([write('a', 'cut off')], { deadlineMs: 60_000, forward: false });
    await kit.until('another leader', () => [...kit.hosts.values()].some((host) => host !== first && host.driver.leads));
    const other = [...kit.hosts.values()].find((host) => host !== first && host.driver.leads);
    await put(kit, other ?? first, 'a', 'of the majority');
    kit.network.heal();
    expect((await kit.outcome(reply, 60_000)).kind).toBe('lost');
    expect(first.machine.read('a')).toBe('of the majority');
  });

  it('takes snapshots by itself, purges behind them, and sends one to a member that is too far behind', async () => {
    const kit = await cluster(3, {
      snapshotIntervalLogs: 20,
      maxLogsInSnapshot: 5,
      purgeBatchSize: 5,
      snapshotChunkBytes: 1_000,
    });
    const slow = follower(kit);
    slow.driver.kill();
    kit.hosts.delete(slow.id);
    await slow.storage.close();
    leaderOf(kit).machine.fillerBytes = 20_000;
    for (const host of kit.hosts.values()) host.machine.fillerBytes = 20_000;
    for (let n = 0; n < 60; n++) await put(kit, leaderOf(kit), `k${n}`, String(n));
    await kit.until('a purge', () => leaderOf(kit).driver.status.baseIndex > 30);
    const back = await kit.start(Number(slow.id[0]), slow.disk.kill());
    await kit.until('caught up', () => back.machine.read('k59') === '59', 60_000);
    expect(back.machine.restores).toBe(1);
    expect(back.driver.status.baseIndex).toBeGreaterThan(20);
    await put(kit, leaderOf(kit), 'after', 'x');
    const again = await kit.restart(back, 'crash');
    await kit.until('caught up again', () => again.machine.read('after') === 'x');
    expect(again.machine.read('k3')).toBe('3');
    expect([...kit.hosts.values()].flatMap(({ failures }) => failures)).toEqual([]);
  });

  it('reads from its segments what the core no longer holds, for a member that was away', async () => {
    const kit = await cluster(3, { windowEntriesMax: 4, snapshotIntervalLogs: 1_000 });
    const slow = follower(kit);
    kit.network.isolate(slow.id);
    for (let n = 0; n < 50; n++) await put(kit, leaderOf(kit), `k${n}`, String(n));
    kit.network.heal();
    await kit.until('caught up', () => slow.machine.read('k49') === '49');
    expect(slow.machine.restores).toBe(0);
  });

  it('lets another member lead before it closes', async () => {
    const kit = await cluster(3);
    const first = leaderOf(kit);
    const closed = first.driver.close();
    const beganMs = kit.clock.monotonicMs();
    await kit.until('another leader', () => [...kit.hosts.values()].some((host) => host !== first && host.driver.leads));
    expect(kit.clock.monotonicMs() - beganMs).toBeLessThan(100);
    await kit.outcome(closed);
  });

  it('adds a member that knows nobody, and makes it a voter', async () => {
    const kit = await cluster(1);
    const joiner = await kit.start(2, new MemoryDisk({ random: new SeededRandom(3) }), {}, EMPTY_CONFIGURATION);
    await put(kit, leaderOf(kit), 'a', '1');
    const { driver } = leaderOf(kit);
    const member = { id: memberId(2), address: 'host:2' };
    const added = await kit.outcome(driver.changeMembership([{ kind: 'add-learner', member }], { deadlineMs: 5_000 }));
    expect(added.kind).toBe('done');
    await kit.until('the learner has it', () => joiner.machine.read('a') === '1');
    let promoted = 'refused';
    // Until the leader has heard that it caught up.
    for (let n = 0; n < 10 && promoted === 'refused'; n++) {
      kit.clock.advance(100);
      const outcome = driver.changeMembership([{ kind: 'promote', id: member.id }], { deadlineMs: 5_000 });
      promoted = (await kit.outcome(outcome)).kind;
    }
    expect(promoted).toBe('done');
    await kit.until('it knows', () => joiner.driver.status.nodeState === 'Follower');
  });

  it('answers every call at its deadline, and refuses what is too large at once', async () => {
    const kit = await cluster(3);
    const first = leaderOf(kit);
    kit.network.isolate(first.id);
    const calls = [
      first.driver.propose([write('a', 'x')], { deadlineMs: 300, forward: true }),
      first.driver.readIndex({ deadlineMs: 300 }),
    ];
    const beganMs = kit.clock.monotonicMs();
    const replies = await kit.outcome(Promise.all(calls));
    expect(replies.map(({ kind }) => kind)).toEqual(['timed-out', 'timed-out']);
    expect(kit.clock.monotonicMs() - beganMs).toBeLessThan(310);
    const huge = await first.driver.propose([{ records: [Buffer.alloc(64 * 1024)] }], CALL);
    expect(huge).toEqual({ kind: 'refused', reason: 'too-large' });
  });

  it('lets no message of a write leave that failed, and says once that it is broken', async () => {
    const kit = await cluster(3);
    const first = leaderOf(kit);
    await put(kit, first, 'a', '1');
    first.disk.inject({ operations: ['durableWrite'], fault: 'EIO' });
    const reply = first.driver.propose([write('a', '2')], CALL).catch((error: unknown) => error);
    expect(await kit.outcome(reply)).toBeInstanceOf(Error);
    expect(first.failures).toHaveLength(1);
    expect(first.driver.isStopped).toBe(true);
    kit.hosts.delete(first.id);
    await kit.until('another leader', () => kit.leader !== undefined);
    await first.driver.close();
  });

  it('steps down while its disk takes longer than the election timeout, and others lead', async () => {
    const kit = await cluster(3);
    const first = leaderOf(kit);
    const release = first.disk.inject({ operations: ['durableWrite'], fault: 'hold' });
    void first.driver.propose([write('a', '2')], { deadlineMs: 60_000, forward: false });
    kit.hosts.delete(first.id);
    await kit.until('another leader', () => kit.leader !== undefined, 60_000);
    expect(first.driver.leads).toBe(false);
    release();
  });

  it('takes no more than its journal holds while its disk is full, goes on when there is room, and stops even if there is none', async () => {
    const kit = new RaftHostKit(votersUpTo(1));
    const host = await kit.start(1);
    await kit.settle();
    const fill = async (): Promise<number> => {
      for (let n = 0; ; n++) {
        const call = host.driver.propose(
          [{ records: [encodeCommand({ key: 'a', operation: { kind: 'write', value: 'x'.repeat(9_000) } })] }],
          {
            deadlineMs: 3_600_000,
            forward: false,
          },
        );
        const reply = await Promise.race([call, kit.settle().then(() => undefined)]);
        if (reply === undefined || reply.kind === 'refused') return n;
        expect(reply.kind).toBe('applied');
      }
    };
    const full = { operations: ['write'], path: /^\/raft\/(log|snapshots)\//, fault: 'ENOSPC' } as const;
    const free = host.disk.inject(full);
    expect(await fill()).toBeGreaterThan(10);
    free();
    await kit.until('room', () => !host.storage.isPressed);
    await put(kit, host, 'b', 'after');
    host.disk.inject(full);
    await fill();
    await kit.outcome(host.driver.close());
    const again = await kit.start(1, host.disk.kill());
    await kit.until('it leads', () => again.driver.leads);
    expect([again.machine.read('b'), again.failures]).toEqual(['after', []]);
  });
});
