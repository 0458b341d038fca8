import { describe, expect, it } from 'vitest';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { MemoryDisk } from './memory-disk';

const SEEDS = 200;

function disk(seed: number, options: { capacityBytes?: number; sectorsAreAtomic?: boolean } = {}): MemoryDisk {
  return new MemoryDisk({ random: new SeededRandom(seed), ...options });
}

/** A directory with one synced file of 16 KiB of 'a'. */
async function prepared(seed: number, options: { sectorsAreAtomic?: boolean } = {}): Promise<MemoryDisk> {
  const made = disk(seed, options);
  await made.makeDirectory('/d');
  await made.syncDirectory('/');
  const file = await made.open('/d/f', 'create');
  await file.write(0, [Buffer.alloc(16384, 'a')]);
  await file.datasync();
  await made.syncDirectory('/d');
  return made;
}

async function outcomes(scenario: (seed: number) => Promise<string>): Promise<Set<string>> {
  const found = new Set<string>();
  for (let seed = 0; seed < SEEDS; seed += 1) found.add(await scenario(seed));
  return found;
}

describe('MemoryDisk', () => {
  it('keeps what was synced, whatever the seed', async () => {
    const found = await outcomes(async (seed) => (await prepared(seed)).crash().contentOf('/d/f').toString());
    expect(found).toEqual(new Set(['a'.repeat(16384)]));
  });

  it('loses, keeps or tears what was not synced, by sectors', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      const file = await made.open('/d/f', 'write');
      await file.write(4096, [Buffer.alloc(8192, 'b')]);
      const content = made.crash().contentOf('/d/f');
      const sectors = Array.from({ length: 32 }, (_, index) => new Set(content.subarray(index * 512, index * 512 + 512)));
      expect(sectors.every((bytes) => bytes.size === 1)).toBe(true);
      const kept = sectors.filter((bytes) => bytes.has(0x62)).length;
      return kept === 0 ? 'lost' : kept === 16 ? 'kept' : 'torn';
    });
    expect(found).toEqual(new Set(['lost', 'kept', 'torn']));
  });

  it('may keep a later write without an earlier one', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      const file = await made.open('/d/f', 'write');
      await file.write(0, [Buffer.alloc(4096, 'b')]);
      await file.write(4096, [Buffer.alloc(4096, 'c')]);
      const content = made.crash().contentOf('/d/f');
      return `${content.includes('b') ? 'b' : ''}${content.includes('c') ? 'c' : ''}`;
    });
    expect(found).toEqual(new Set(['', 'b', 'c', 'bc']));
  });

  it('keeps every byte after a kill, and may still lose it when the power fails later', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      const file = await made.open('/d/f', 'write');
      await file.write(0, [Buffer.alloc(16384, 'b')]);
      const killed = made.kill();
      expect(killed.contentOf('/d/f').toString()).toBe('b'.repeat(16384));
      return killed.crash().contentOf('/d/f').includes('a') ? 'lost' : 'kept';
    });
    expect(found).toEqual(new Set(['lost', 'kept']));
  });

  it('keeps or drops names that were not synced: created, renamed, unlinked', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      await (await made.open('/d/new', 'create')).datasync();
      await made.rename('/d/f', '/d/g');
      const after = made.crash();
      const names = (await after.list('/d')).sort().join();
      return names;
    });
    expect(found).toEqual(new Set(['f', 'f,new', 'g', 'g,new']));
  });

  it('never drops a name whose directory was synced', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      await made.rename('/d/f', '/d/g');
      await made.syncDirectory('/d');
      return (await made.crash().list('/d')).join();
    });
    expect(found).toEqual(new Set(['g']));
  });

  it('makes durable only what was written before the sync was submitted (S-5)', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      const file = await made.open('/d/f', 'write');
      const release = made.inject({ operations: ['datasync'], fault: 'hold' });
      const synced = file.datasync();
      await file.write(0, [Buffer.alloc(4096, 'b')]);
      release();
      await synced;
      return made.crash().contentOf('/d/f').includes('b') ? 'kept' : 'lost';
    });
    expect(found).toContain('lost');
  });

  it('never makes durable by a later sync what a failed one left (S-9)', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      const file = await made.open('/d/f', 'write');
      await file.write(0, [Buffer.alloc(4096, 'b')]);
      made.inject({ operations: ['datasync'], fault: 'EIO', times: 1 });
      await expect(file.datasync()).rejects.toMatchObject({ code: 'EIO' });
      await file.datasync();
      expect(made.contentOf('/d/f').includes('b')).toBe(true);
      return made.crash().contentOf('/d/f').includes('b') ? 'kept' : 'lost';
    });
    expect(found).toContain('lost');
  });

  it('ends durable writes durable, and leaves any part of one that was in flight', async () => {
    const found = await outcomes(async (seed) => {
      const made = await prepared(seed);
      const file = await made.openDurable('/d/f');
      await file.write(0, [Buffer.alloc(4096, 'b')]);
      const held = made.inject({ operations: ['durableWrite'], fault: 'hold' });
      void file.write(4096, [Buffer.alloc(8192, 'c')]);
      const content = made.crash().contentOf('/d/f');
      held();
      expect(content.subarray(0, 4096).toString()).toBe('b'.repeat(4096));
      const kept = content.filter((byte) => byte === 0x63).length;
      return kept === 0 ? 'none' : kept === 8192 ? 'all' : 'part';
    });
    expect(found).toEqual(new Set(['none', 'part', 'all']));
  });

  it('refuses durable writes outside of the preallocated bytes', async () => {
    const file = await (await prepared(1)).openDurable('/d/f');
    await expect(file.write(16000, [Buffer.alloc(4096)])).rejects.toThrow(/leaves the 16384 preallocated bytes/);
  });

  it('fails by rule: by operation, path, number and part of a write', async () => {
    const made = await prepared(1);
    const file = await made.open('/d/f', 'write');
    made.inject({ operations: ['write'], path: /f$/, fault: 'ENOSPC', isPartial: true, after: 1, times: 1 });
    await file.write(0, [Buffer.from('one')]);
    await expect(file.write(0, [Buffer.from('second')])).rejects.toMatchObject({ code: 'ENOSPC' });
    await file.write(8, [Buffer.from('three')]);
    expect(made.counters.faults).toBe(1);
  });

  it('is full at its capacity, and tells the space that is left', async () => {
    const made = disk(1, { capacityBytes: 10_000 });
    const file = await made.open('/f', 'create');
    await file.write(0, [Buffer.alloc(8000)]);
    expect(await made.space('/')).toEqual({ freeBytes: 2000, totalBytes: 10_000 });
    await expect(file.write(8000, [Buffer.alloc(3000)])).rejects.toMatchObject({ code: 'ENOSPC' });
    await made.unlink('/f');
    expect((await made.space('/')).freeBytes).toBe(10_000);
  });

  it('does the same for the same seed, in another order for another', async () => {
    const order = async (seed: number): Promise<string> => {
      const made = disk(seed);
      const done: number[] = [];
      await Promise.all([0, 1, 2, 3, 4].map((index) => made.exists(`/${index}`).then(() => done.push(index))));
      return done.join();
    };
    expect(await order(5)).toBe(await order(5));
    expect((await outcomes(order)).size).toBeGreaterThan(20);
  });

  it('never ends what is under way once it has stopped', async () => {
    const made = await prepared(1);
    let ended = 0;
    const stopped = made.stopAfter(2);
    for (let i = 0; i < 5; i += 1) void made.exists('/d/f').then(() => (ended += 1));
    await stopped;
    await new Promise((resolve) => setImmediate(resolve));
    expect(ended).toBe(2);
    expect(made.isStopped).toBe(true);
  });

  it('fails with the codes of the platform', async () => {
    const made = await prepared(1);
    await expect(made.open('/d/f', 'create')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(made.open('/d/none', 'read')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(made.open('/d', 'read')).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(made.list('/none')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(made.list('/d/f')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(made.makeDirectory('/d')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(made.rename('/d/none', '/d/x')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(made.unlink('/d/none')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect((await made.open('/d/f', 'read')).write(0, [Buffer.from('x')])).rejects.toMatchObject({ code: 'EBADF' });
    await made.removeTree('/none');
    await made.removeTree('/d');
    expect(await made.exists('/d/f')).toBe(false);
  });
});
