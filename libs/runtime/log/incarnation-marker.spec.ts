import { crc32c } from '@node-rs/crc32';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { Incarnation } from './incarnation-marker';
import { readIncarnation, writeIncarnation } from './incarnation-marker';

const incarnation = (brokerEpoch: number): Incarnation => ({ clean: brokerEpoch % 2 === 1, bootId: 'boot-1', brokerEpoch });

async function diskWith(seed: number, directory = '/storage'): Promise<MemoryDisk> {
  const disk = new MemoryDisk({ random: new SeededRandom(seed) });
  await disk.makeDirectory(directory);
  await disk.syncDirectory('/');
  return disk;
}

describe('the marker of an incarnation', () => {
  it('is the last one written, or in a crash meanwhile the one before', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 300; seed++) {
      let disk = await diskWith(seed);
      const random = new SeededRandom(seed + 1000);
      let written = -1;
      for (let epoch = 0; epoch < 6; epoch++) {
        const stopped = disk.stopAfter(random.integer(1, 12)).then(() => 'crashed' as const);
        const outcome = await Promise.race([
          stopped,
          writeIncarnation(disk, '/storage', incarnation(epoch)).then(() => 'written'),
        ]);
        disk = disk.crash();
        const found = await readIncarnation(disk, '/storage');
        if (outcome === 'written') expect(found).toEqual(incarnation(epoch));
        else expect([undefined, incarnation(written), incarnation(epoch)]).toContainEqual(found);
        if (written >= 0) expect(found).toBeDefined();
        if (found !== undefined) written = found.brokerEpoch;
        seen.add(outcome);
      }
    }
    expect([...seen].sort()).toEqual(['crashed', 'written']);
  });

  it('takes no space once it is there', async () => {
    const disk = new MemoryDisk({ random: new SeededRandom(1), capacityBytes: 8192 });
    await disk.makeDirectory('/storage');
    for (let epoch = 0; epoch < 4; epoch++) await writeIncarnation(disk, '/storage', incarnation(epoch));
    expect((await disk.space('/')).freeBytes).toBe(0);
    expect(await readIncarnation(disk, '/storage')).toEqual(incarnation(3));
  });

  it('is also read as the first version wrote it, and then replaced', async () => {
    const disk = await diskWith(1);
    const body = Buffer.from('534d494e0101000000000000002900000006626f6f742d39', 'hex');
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32c(body));
    const file = await disk.open('/storage/incarnation', 'create');
    await file.write(0, [crc, body]);
    await file.close();
    expect(await readIncarnation(disk, '/storage')).toEqual({ clean: true, brokerEpoch: 41, bootId: 'boot-9' });
    await writeIncarnation(disk, '/storage', incarnation(42));
    expect(await readIncarnation(disk, '/storage')).toEqual(incarnation(42));
  });
});
