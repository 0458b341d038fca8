import { describe, expect, it } from 'vitest';
import type { PersistEffect } from '@streamline/core/raft/effects';
import { EMPTY_CONFIGURATION, entrySizeBytes } from '@streamline/core/raft/limits';
import type { Entry, SnapshotMeta } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { DiskRaftStorage } from './disk-raft-storage';
import { openRaftStorage, type OpenRaftStorageOptions } from './open-raft-storage';
import { RaftFormatError, RaftStorageError } from './raft-storage';

const META: SnapshotMeta = { id: 's', index: 20, term: 1, configuration: { index: 0, configuration: EMPTY_CONFIGURATION } };

async function emptyDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  await disk.makeDirectory('/raft');
  await disk.syncDirectory('/');
  return disk;
}

function open(disk: MemoryDisk, options: Partial<OpenRaftStorageOptions> = {}): Promise<DiskRaftStorage> {
  return openRaftStorage({
    disk,
    clock: new VirtualClock(),
    random: new SeededRandom(2),
    directory: '/raft',
    nodeId: 1 as NodeId,
    directoryId: 'directorydirectory0000' as DirectoryId,
    clusterId: 'clusterclustercluster0' as ClusterId,
    bootstrap: EMPTY_CONFIGURATION,
    journalSize: { fileBytes: 128 * 1024, fileCount: 4, groupBytesMax: 32 * 1024, pendingBytesMax: 256 * 1024 },
    segmentLimits: { segmentBytesMax: 1 << 20, segmentEntriesMax: 10, batchBytesMax: 2_000, gatherMs: 10 },
    ...options,
  });
}

function append(firstIndex: number, count: number): PersistEffect {
  const entries = Array.from({ length: count }, (_, at): Entry => {
    const records = [Buffer.alloc(100, at)];
    const base = { index: firstIndex + at, term: 1, kind: 'records', records, id: undefined, configuration: undefined } as const;
    return { ...base, timestampMs: 0, sizeBytes: entrySizeBytes(records) };
  });
  const hardState = { term: 1, votedFor: undefined, commitIndex: 0 };
  return {
    kind: 'persist',
    persistId: 1,
    hardState,
    installSnapshot: undefined,
    truncateAfter: undefined,
    entries,
    messages: [],
  };
}

/** Thirty entries in three segments and a little, all synced, and the journal released up to there. */
async function stopped(): Promise<MemoryDisk> {
  const disk = await emptyDisk();
  const storage = await open(disk);
  for (let n = 0; n < 7; n++) await storage.persist(append(1 + 5 * n, 5));
  await storage.close();
  return disk.kill();
}

const segments = (disk: MemoryDisk): string[] =>
  disk
    .filePaths()
    .filter((path) => path.endsWith('.segment'))
    .sort();

/** Opening fails and leaves every file as it was. */
async function expectRefusal(disk: MemoryDisk, options: Partial<OpenRaftStorageOptions> = {}): Promise<Error> {
  const before = disk.filePaths().map((path) => [path, disk.contentOf(path)] as const);
  const error: unknown = await open(disk, options).catch((reason: unknown) => reason);
  for (const [path, content] of before) {
    if (!path.includes('/journal/')) expect(disk.contentOf(path).equals(content), path).toBe(true);
  }
  expect(disk.filePaths().length).toBe(before.length);
  if (!(error instanceof Error)) throw new Error('it was opened');
  return error;
}

describe('openRaftStorage', () => {
  it('refuses a damaged segment wherever the damage is, names it, and changes nothing', async () => {
    const pristine = await stopped();
    for (const path of segments(pristine)) {
      const { length } = pristine.contentOf(path);
      for (let offset = 9; offset < length; offset += 61) {
        const disk = (await stopped()).kill();
        disk.flipBit(path, offset, offset % 8);
        const error = await expectRefusal(disk);
        expect(error, `${path} ${offset}`).toBeInstanceOf(RaftStorageError);
        expect(error.message).toMatch(/Restore the controller's directory/);
      }
    }
  });

  it('refuses a log of which segments or the journal are missing', async () => {
    const all = segments(await stopped());
    for (const paths of [all.slice(-1), all]) {
      const disk = await stopped();
      for (const path of paths) await disk.unlink(path);
      expect(await expectRefusal(disk)).toBeInstanceOf(RaftStorageError);
    }
    // A gap further in front is what a power loss leaves of a purge: the log begins after it, which the core judges.
    const purged = await stopped();
    await purged.unlink(all[1] ?? '');
    expect((await open(purged)).recovered.log).toMatchObject({ baseIndex: 20, lastIndex: 35 });
    const disk = await stopped();
    await disk.removeTree('/raft/journal');
    await expect(open(disk)).rejects.toThrow(/journal was lost/);
  });

  it('reads from the journal what a torn segment lacks', async () => {
    const disk = await emptyDisk();
    const clock = new VirtualClock();
    const storage = await open(disk, { clock });
    await storage.persist(append(1, 5));
    clock.advance(10);
    const written = (): boolean => segments(disk).some((path) => disk.contentOf(path).length > 500);
    while (!written()) await disk.exists('/');
    const [path = ''] = segments(disk);
    const killed = disk.kill();
    const file = await killed.open(path, 'write');
    await file.write((await file.size()) - 3, [Buffer.from('xyz')]);
    await file.close();
    const again = await open(killed);
    expect(again.recovered.log).toMatchObject({ baseIndex: 0, lastIndex: 5 });
    await again.persist(append(6, 5));
    await again.close();
    expect((await open(killed.kill())).recovered.log.lastIndex).toBe(10);
  });

  it("refuses another node's, directory's and cluster's files, and those of a newer version", async () => {
    const disk = await stopped();
    await expect(open(disk, { nodeId: 2 as NodeId })).rejects.toThrow(/belongs to node 1, not 2/);
    await expect(open(disk, { directoryId: 'anotheranotheranother0' as DirectoryId })).rejects.toThrow(/copied here/);
    await expect(open(disk, { clusterId: 'otherotherotherother00' as ClusterId })).rejects.toThrow(/belongs to cluster/);
    const [path = ''] = segments(disk);
    disk.flipBit(path, 7, 1);
    await expect(open(disk)).rejects.toThrow(RaftFormatError);
  });

  it('learns its cluster once and for ever', async () => {
    const disk = await emptyDisk();
    const storage = await open(disk, { clusterId: undefined });
    expect(storage.clusterId).toBeUndefined();
    await storage.bindCluster('clusterclustercluster0' as ClusterId);
    const killed = disk.crash();
    expect((await open(killed, { clusterId: undefined })).clusterId).toBe('clusterclustercluster0');
    await expect(open(killed.kill(), { clusterId: 'otherotherotherother00' as ClusterId })).rejects.toThrow(/belongs to cluster/);
  });

  it('takes no snapshot that came damaged, and sends none that has rotted', async () => {
    const disk = await stopped();
    const problems: Error[] = [];
    const storage = await open(disk, { onProblem: (error) => problems.push(error) });
    expect(await storage.takeSnapshot(META, [Buffer.alloc(5_000, 7)])).toBe(true);
    const path = disk.filePaths().find((name) => name.endsWith('.snapshot')) ?? '';
    const file = disk.contentOf(path);
    const other = { ...META, id: 'other' };
    const damaged = Buffer.from(file);
    damaged[3_000] = 8;
    expect(await storage.writeSnapshotChunk(META, 0, damaged.subarray(0, 2_000), false)).toBe(true);
    expect(await storage.writeSnapshotChunk(META, 2_000, damaged.subarray(2_000), true)).toBe(false);
    expect(await storage.writeSnapshotChunk(other, 0, file, true), 'another one than it says').toBe(false);
    expect(await storage.writeSnapshotChunk(META, 100, file.subarray(100), true), 'without its beginning').toBe(false);
    expect(disk.filePaths().filter((name) => /received|receiving/.test(name))).toEqual([]);
    await storage.close();
    const killed = disk.kill();
    killed.flipBit(path, 3_000, 1);
    const again = await open(killed, { onProblem: (error) => problems.push(error) });
    expect(again.recovered.snapshot?.id).toBe('s');
    expect(await again.readSnapshotChunk('s', 0, 1_000)).toBeUndefined();
    expect(problems.map(({ message }) => message).join('\n')).toMatch(/came damaged[^]*not sent to other members/);
  });
});
