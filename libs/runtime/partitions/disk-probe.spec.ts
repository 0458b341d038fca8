import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { DiskProbe } from './disk-probe';

async function made() {
  const disk = new MemoryDisk({ random: new SeededRandom(3) });
  await disk.makeDirectory('/d');
  const clock = new VirtualClock();
  return { disk, clock, probe: new DiskProbe(disk, '/d', clock) };
}

describe('DiskProbe', () => {
  it('writes and syncs, at most once a second', async () => {
    const { disk, clock, probe } = await made();
    expect(await probe.check()).toEqual({ ok: true, reason: '' });
    const open = disk.open.bind(disk);
    let opens = 0;
    disk.open = (path, mode) => {
      opens += 1;
      return open(path, mode);
    };
    disk.space = () => Promise.reject(new Error('not asked'));
    expect(await probe.check()).toEqual({ ok: true, reason: '' });
    clock.advance(1000);
    expect(await probe.check()).toEqual({ ok: true, reason: '' });
    expect(opens).toBe(0);
    await probe.close();
    const again = new DiskProbe(disk, '/d', clock);
    expect(await again.check()).toEqual({ ok: true, reason: '' });
    expect(opens).toBe(1);
  });

  it('says why when the disk takes no writes, and recovers by itself', async () => {
    const { disk, clock, probe } = await made();
    const open = disk.open.bind(disk);
    disk.open = () => Promise.reject(new Error('EROFS: read-only file system'));
    expect(await probe.check()).toEqual({ ok: false, reason: '/d does not take writes: EROFS: read-only file system' });
    disk.open = open;
    expect((await probe.check()).ok).toBe(false);
    clock.advance(1000);
    expect((await probe.check()).ok).toBe(true);
  });

  it('tells how long the disk has been hanging, and does not pile up writes', async () => {
    const { disk, clock, probe } = await made();
    let resolve: () => void = () => undefined;
    const open = disk.open.bind(disk);
    disk.open = (path, mode) => new Promise<void>((release) => (resolve = release)).then(() => open(path, mode));
    const first = probe.check();
    await new Promise((next) => setImmediate(next));
    await new Promise((next) => setImmediate(next));
    clock.advance(7000);
    expect(probe.stalledMs).toBe(7000);
    expect(probe.check()).toBe(first);
    resolve();
    expect((await first).ok).toBe(true);
    expect(probe.stalledMs).toBe(0);
  });
});
