import { type FSWatcher, watch } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ClusterNode } from '../../../test/kit/cluster-node';

/** How a node's metadata snapshots are named while they are taken, and when they are complete. */
const TAKING = '.taking';
const TAKEN = '.snapshot';

function directoryOf(node: ClusterNode): string {
  return node.file('controller/snapshots');
}

/** Measures how long a node takes for each snapshot, from when it is made until it is closed. */
export class SnapshotTimes {
  readonly timesMs: number[] = [];
  private readonly begun = new Map<string, number>();
  private readonly watcher: FSWatcher;

  constructor(node: ClusterNode) {
    this.watcher = watch(directoryOf(node), (event, name) => {
      if (event !== 'rename' || name === null) return;
      const key = path.parse(name).name;
      if (name.endsWith(TAKING) && !this.begun.has(key)) this.begun.set(key, performance.now());
      const begunMs = this.begun.get(key);
      if (!name.endsWith(TAKEN) || begunMs === undefined) return;
      this.begun.delete(key);
      this.timesMs.push(performance.now() - begunMs);
    });
  }

  close(): void {
    this.watcher.close();
  }
}

/** Files of snapshots that a node took or received, with their sizes. */
export async function snapshotFiles(node: ClusterNode): Promise<{ readonly name: string; readonly bytes: number }[]> {
  const directory = directoryOf(node);
  const names = await readdir(directory).catch(() => []);
  return Promise.all(names.map(async (name) => ({ name, bytes: (await stat(path.join(directory, name))).size })));
}
