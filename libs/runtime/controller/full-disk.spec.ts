import { describe, expect, it } from 'vitest';
import { StoreFullError } from './image-store';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { Controller } from '@streamline/testing/controller/controller-kit';
import { contents, ControllerKit, create, startBroker, topic } from '@streamline/testing/controller/controller-kit';

/** A controller on a machine whose disk gets full, with what it said about room. */
class FullDisk {
  readonly kit = new ControllerKit();
  readonly told: boolean[] = [];

  start(snapshotIntervalLogs = 3): Promise<Controller> {
    return this.kit.start({ snapshotIntervalLogs, onImageRoom: (hasRoom) => this.told.push(hasRoom) });
  }

  async createMany({ role }: Controller, prefix: string, count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      const { topics } = await create(role, topic(`${prefix}${n}`));
      expect(topics[0]?.error?.errorCode).toBe(0);
    }
  }

  /** Lets everything that waits for no timer go on. */
  async settle(): Promise<void> {
    for (let n = 0; n < 100; n++) await this.kit.disk.exists('/');
  }
}

describe('a controller whose disk is full', () => {
  it('starts with everything, takes commands, and loses none of them in a stop and a start', async () => {
    const full = new FullDisk();
    const first = await full.start();
    await startBroker(first.role);
    await full.createMany(first, 'before', 5);
    full.kit.disk = full.kit.disk.kill();
    full.kit.medium.crash(full.kit.medium.unflushed.length);
    full.kit.medium.isFull = true;

    const second = await full.start();
    expect(second.role.replica.image.topicIdsByName.has('before4')).toBe(true);
    await full.createMany(second, 'while', 5);
    await full.kit.stop(second);
    const third = await full.start();
    expect(contents(third.opened.committed.state)).toEqual(contents(second.opened.committed.state));
    expect([...second.fatal, ...third.fatal]).toEqual([]);
  });

  it('goes on where the disk gets full under it, and writes its image by itself once there is room', async () => {
    const full = new FullDisk();
    const controller = await full.start();
    await startBroker(controller.role);
    full.kit.medium.isFull = true;
    await full.createMany(controller, 'while', 10);
    await full.settle();
    full.kit.clock.advance(5_000);
    await full.settle();
    expect(full.told).toEqual([false]);

    full.kit.medium.isFull = false;
    full.kit.clock.advance(1_000);
    await full.settle();
    expect(full.told).toEqual([false, true]);
    expect(controller.fatal).toEqual([]);
    full.kit.crash();
    const next = await full.start();
    expect(contents(next.opened.committed.state)).toEqual(contents(controller.opened.committed.state));
  });

  it('takes no more commands than its journal holds, and takes them again once there is room', async () => {
    const full = new FullDisk();
    const controller = await full.start();
    await startBroker(controller.role);
    full.kit.medium.isFull = true;
    const free = full.kit.disk.inject({ operations: ['write'], path: /^\/controller\/(log|snapshots)\//, fault: 'ENOSPC' });
    let made = 0;
    for (let waiting = false; !waiting; made++) {
      const created = create(controller.role, topic(`t${made}`, { partitions: 100 }));
      waiting = await Promise.race([created.then(() => false), full.settle().then(() => true)]);
    }
    full.kit.medium.isFull = false;
    free();
    full.kit.clock.advance(1_000);
    await full.settle();
    full.kit.clock.advance(1_000);
    await full.settle();
    expect(controller.role.replica.image.topicIdsByName.has(`t${made - 1}`)).toBe(true);
    await full.createMany(controller, 'after', 3);
    expect(controller.fatal).toEqual([]);
  });

  it('lets its log keep what the image lacks where there is room again in the middle of a stop', async () => {
    const full = new FullDisk();
    const first = await full.start(1000);
    await startBroker(first.role);
    await full.createMany(first, 'before', 5);
    full.kit.disk = full.kit.disk.kill();
    full.kit.clock = new VirtualClock();
    // One refusal when it is opened for the start, one for what is written at the stop; then there is room.
    let refusals = 2;
    Object.defineProperty(full.kit.medium, 'isFull', { get: () => refusals-- > 0 });
    const second = await full.start(1000);
    await full.kit.stop(second);
    expect(refusals).toBe(0);
    const third = await full.start(1000);
    expect(third.role.replica.image.topicIdsByName.has('before4')).toBe(true);
  });

  it('does not start a new cluster there', async () => {
    const full = new FullDisk();
    full.kit.medium.isFull = true;
    const refusal = await full.start().catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(StoreFullError);
  });
});
