import { describe, expect, it, vi } from 'vitest';
import type { NodeId } from '@streamline/core/types/ids';
import type { Controller } from '@streamline/testing/controller/controller-kit';
import { ControllerKit, create, heartbeat, NODE, startBroker, topic } from '@streamline/testing/controller/controller-kit';
import { memberId, RaftHostKit, votersUpTo } from '@streamline/testing/raft-host/raft-host-kit';
import { RaftMetadataLog } from './raft-metadata-log';

/** Questions to the majority that a test answers. */
function heldConfirmations({ opened }: Controller): ((confirmed: boolean) => void)[] {
  const asked: ((confirmed: boolean) => void)[] = [];
  vi.spyOn(opened.log, 'confirmLeadership').mockImplementation(() => new Promise((resolve) => asked.push(resolve)));
  return asked;
}

function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('a controller that is asked for what changes nothing', () => {
  it('answers once a majority has confirmed that it leads, and not before', async () => {
    const controller = await new ControllerKit().start();
    const epoch = await startBroker(controller.role);
    const asked = heldConfirmations(controller);
    let isAnswered = false;
    const answer = heartbeat(controller.role, epoch).finally(() => (isAnswered = true));
    await macrotask();
    expect([asked.length, isAnswered]).toEqual([1, false]);
    asked[0]?.(true);
    expect(await answer).toMatchObject({ error: { errorCode: 0 }, isFenced: false });
  });

  it('fails where nobody confirms, so that whoever leads is asked', async () => {
    const controller = await new ControllerKit().start();
    const epoch = await startBroker(controller.role);
    const asked = heldConfirmations(controller);
    const answer = heartbeat(controller.role, epoch);
    await macrotask();
    asked[0]?.(false);
    await expect(answer).rejects.toMatchObject({ code: 'unavailable' });
    expect(controller.fatal).toEqual([]);
  });

  it('asks once for hundreds: those that come meanwhile share the next', async () => {
    const controller = await new ControllerKit().start();
    const epoch = await startBroker(controller.role);
    const asked = heldConfirmations(controller);
    const heartbeats = (): Promise<unknown>[] => Array.from({ length: 300 }, () => heartbeat(controller.role, epoch));
    const first = heartbeats();
    await macrotask();
    const second = heartbeats();
    await macrotask();
    expect(asked).toHaveLength(1);
    asked[0]?.(true);
    await Promise.all(first);
    await macrotask();
    expect(asked).toHaveLength(2);
    asked[1]?.(true);
    await Promise.all(second);
    expect(asked).toHaveLength(2);
  });

  it('declares nobody dead for silence whose heartbeat it is about to answer', async () => {
    const kit = new ControllerKit();
    const controller = await kit.start();
    const { role, expired } = controller;
    const epoch = await startBroker(role);
    for (let second = 0; second < 9; second += 1) kit.clock.advance(1_000);
    const asked = heldConfirmations(controller);
    const answer = heartbeat(role, epoch);
    await macrotask();
    for (let second = 0; second < 3; second += 1) kit.clock.advance(1_000);
    for (let at = 0; at < 4; at += 1) {
      for (const confirm of asked.splice(0)) confirm(true);
      await macrotask();
    }
    expect(await answer).toMatchObject({ isFenced: false });
    expect([role.replica.image.brokers.get(NODE)?.state, expired]).toEqual(['Running', []]);
  });

  it('asks nobody where another command of the turn is committed: that confirms it', async () => {
    const controller = await new ControllerKit().start();
    const epoch = await startBroker(controller.role);
    const asked = heldConfirmations(controller);
    await Promise.all([create(controller.role, topic('t')), heartbeat(controller.role, epoch)]);
    expect(asked).toEqual([]);
  });

  it('waits neither for time nor for the disk where it is the only voter', async () => {
    const kit = new ControllerKit();
    const { role } = await kit.start();
    const epoch = await startBroker(role);
    const { operations } = kit.disk.counters;
    const nowMs = kit.clock.monotonicMs();
    expect(await heartbeat(role, epoch)).toMatchObject({ error: { errorCode: 0 } });
    expect([kit.disk.counters.operations, kit.clock.monotonicMs()]).toEqual([operations, nowMs]);
  });
});

describe('RaftMetadataLog.confirmLeadership', () => {
  async function threeNodes(): Promise<{ readonly kit: RaftHostKit; readonly logs: readonly RaftMetadataLog[] }> {
    const kit = new RaftHostKit(votersUpTo(3));
    const logs: RaftMetadataLog[] = [];
    for (const nodeId of [1, 2, 3]) {
      const { driver, storage } = await kit.start(nodeId);
      logs.push(new RaftMetadataLog({ clock: kit.clock, nodeId: nodeId as NodeId, driver, storage, machine: { snapshots: 0 } }));
    }
    await kit.until('a leader', () => kit.leader !== undefined);
    return { kit, logs };
  }

  it('is true after one round trip to a majority, and false at who does not lead', async () => {
    const { kit, logs } = await threeNodes();
    kit.network.delayMs = 7;
    const [follower] = logs.filter(({ leads }) => !leads);
    const leader = logs.find(({ leads }) => leads);
    await kit.until('quiet', () => true);
    const beganMs = kit.clock.monotonicMs();
    expect(await kit.outcome(leader?.confirmLeadership(5_000) ?? Promise.resolve(false))).toBe(true);
    expect(kit.clock.monotonicMs() - beganMs).toBeLessThanOrEqual(2 * 7 + 1);
    expect(await follower?.confirmLeadership(5_000)).toBe(false);
  });

  it('is false for one that was replaced and does not know, as soon as it steps down', async () => {
    const { kit, logs } = await threeNodes();
    const deposed = logs.find(({ leads }) => leads);
    if (deposed === undefined) throw new Error('nobody leads');
    const self = memberId(deposed.status.nodeId);
    kit.network.isolate(self);
    const answer = deposed.confirmLeadership(60_000);
    await kit.until('another leader', () => logs.some((log) => log !== deposed && log.leads));
    expect(await kit.outcome(answer)).toBe(false);
    expect(deposed.leads).toBe(false);
  });

  it('is false for one that was replaced and leads again by the time its read is answered', async () => {
    const { kit, logs } = await threeNodes();
    const leader = logs.find(({ leads }) => leads);
    const other = logs.find(({ leads }) => !leads);
    const host = kit.leader;
    if (leader === undefined || other === undefined || host === undefined) throw new Error('nobody leads');
    const { driver } = host;
    const readIndex = driver.readIndex.bind(driver);
    let travelled = (): void => undefined;
    vi.spyOn(driver, 'readIndex').mockImplementationOnce(async (options) => {
      await new Promise<void>((resolve) => (travelled = resolve));
      return readIndex(options);
    });
    const answer = leader.confirmLeadership(60_000);
    void leader.transferLeadership(memberId(other.status.nodeId), 5_000);
    await kit.until('a successor', () => other.leads && !leader.leads);
    void other.transferLeadership(host.id, 5_000);
    await kit.until('the first leader again', () => leader.leads);
    travelled();
    expect([await kit.outcome(answer), leader.leads]).toEqual([false, true]);
  });
});
