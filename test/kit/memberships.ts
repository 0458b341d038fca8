import path from 'node:path';
import { EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import { nodeIdOf, type VoterId } from '@streamline/core/raft/types';
import { readNodeFile } from '@streamline/platform/lifecycle/node-file';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';

const BYTES_MAX = 64 * 1024 * 1024;

function sorted(ids: readonly VoterId[]): number[] {
  return ids.map((id): number => nodeIdOf(id)).toSorted((one, other) => one - other);
}

/** Who voted and who learned at a time, by node id. */
export interface Membership {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
}

/** All changes of the membership that are in the metadata log of a node that is stopped: also what was over before anybody looked. */
export async function membershipsIn(dataDir: string): Promise<Membership[]> {
  const file = await readNodeFile(dataDir);
  if (file === undefined || file.clusterId === null) throw new Error(`${dataDir} belongs to no cluster`);
  const { nodeId, directoryId, clusterId } = file;
  const storage = await openRaftStorage({
    disk: new NodeDisk(),
    clock: new NodeClock(),
    random: new NodeRandom(),
    directory: path.join(dataDir, 'controller'),
    nodeId,
    directoryId,
    clusterId,
    bootstrap: EMPTY_CONFIGURATION,
  });
  try {
    const { baseIndex, lastIndex } = storage.recovered.log;
    const range = { firstIndex: baseIndex + 1, lastIndex, bytesMax: BYTES_MAX };
    const entries = await storage.readEntries({ kind: 'read-entries', readId: 1, ...range });
    return entries.flatMap(({ configuration }) =>
      configuration === undefined ? [] : [{ voters: sorted(configuration.voters), learners: sorted(configuration.learners) }],
    );
  } finally {
    await storage.close();
  }
}
