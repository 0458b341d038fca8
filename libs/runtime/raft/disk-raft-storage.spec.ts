import { describe, expect, it } from 'vitest';
import { EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { Configuration, LogIndex, SnapshotMeta } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { DiskRaftStorage } from './disk-raft-storage';
import { openRaftStorage } from './open-raft-storage';

const nodeId = 1 as NodeId;
const directoryId = 'directorydirectory0000' as DirectoryId;
const self = voterId(nodeId, directoryId);
const BOOTSTRAP: Configuration = { ...EMPTY_CONFIGURATION, members: [{ id: self, address: 'a:1' }], voters: [self] };

async function emptyStorage(): Promise<DiskRaftStorage> {
  const random = new SeededRandom(1);
  const disk = new MemoryDisk({ random: random.fork() });
  await disk.makeDirectory('/raft');
  await disk.syncDirectory('/');
  return openRaftStorage({
    disk,
    clock: new VirtualClock(),
    random,
    directory: '/raft',
    nodeId,
    directoryId,
    clusterId: 'clusterclustercluster0' as ClusterId,
    bootstrap: BOOTSTRAP,
    journalSize: { fileBytes: 80 * 1024, fileCount: 6, groupBytesMax: 16 * 1024, pendingBytesMax: 64 * 1024 },
    segmentLimits: { segmentBytesMax: 6_000, segmentEntriesMax: 12, batchBytesMax: 3_000, gatherMs: 10 },
  });
}

function meta(index: LogIndex): SnapshotMeta {
  return { id: `snapshot-${index}`, index, term: 1, configuration: { index: 0, configuration: BOOTSTRAP } };
}

describe('DiskRaftStorage', () => {
  it('keeps a snapshot that is taken while the purge for the one before waits for its turn', async () => {
    const storage = await emptyStorage();
    const [first, second, received] = [meta(1), meta(2), meta(9)];
    await storage.takeSnapshot(first, [Buffer.alloc(10)]);
    const chunks = Array.from({ length: 100 }, (_, at) => storage.writeSnapshotChunk(received, at * 8, Buffer.alloc(8), false));
    storage.purge({ kind: 'purge', index: 0, keepSnapshotIds: [first.id] });
    await storage.takeSnapshot(second, [Buffer.alloc(10)]);
    await Promise.all(chunks);
    // In its turn behind the purge.
    await storage.writeSnapshotChunk(received, 800, Buffer.alloc(8), false);
    expect(await storage.readSnapshotChunk(second.id, 0, 8)).toBeDefined();
    expect(await storage.readSnapshotChunk(first.id, 0, 8)).toBeDefined();
    storage.purge({ kind: 'purge', index: 0, keepSnapshotIds: [second.id] });
    expect(await storage.readSnapshotChunk(first.id, 0, 8)).toBeUndefined();
    await storage.close();
  });
});
