import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLOCK_BYTES } from '@streamline/core/journal/format';
import { createTopicOn, topicsAt } from '../guide/topics';
import { Cluster, dumpFailures, STREAMLINE } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';

const ENDS_WITHIN_MS = 90_000;
const [REFUSED, UNREADABLE, CLUSTER_REFUSED] = [22, 24, 12];
const LEFT_OUT = 'Node was left out when its cluster was recovered from the loss of a majority';

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3 });
  await cluster.form();
  await createTopicOn(1, cluster.node(1), 'on-node-1');
  await createTopicOn(2, cluster.node(1), 'on-node-2');
  await cluster.until('node 1 has both', async () => (await topicsAt(cluster.node(1))).has('on-node-2'));
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

/** `streamline cluster recover` on the directory of node 1, with this on its standard input. */
function recover(typed: string, ...flags: readonly string[]): Promise<Ran> {
  return recoverIn(cluster.node(1).plan.dataDir, typed, ...flags);
}

function recoverIn(dataDir: string, typed: string, ...flags: readonly string[]): Promise<Ran> {
  const args = ['cluster', 'recover', '--data-dir', dataDir, ...flags];
  return new Promise((resolve) => {
    const child = execFile(STREAMLINE, args, { timeout: ENDS_WITHIN_MS }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
    // One that refuses before it asks may have ended by now.
    child.stdin?.on('error', () => undefined).end(typed);
  });
}

/** Without the sockets that lock it. */
function copy(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, filter: (source) => !path.basename(source).startsWith('lock.') });
}

/** Of files in these folders, a hash of what is in them. */
async function contentsOf(folders: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const contents = new Map<string, string>();
  for (const folder of folders) {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const file = path.join(folder, entry.name);
      if (entry.isFile())
        contents.set(
          file,
          createHash('sha256')
            .update(await readFile(file))
            .digest('hex'),
        );
    }
  }
  return contents;
}

/** What its directory was before it was lost. */
function copyOf(node: ClusterNode): string {
  return `${node.plan.directory}/copy`;
}

async function comesBackWithItsOldDirectory(node: ClusterNode): Promise<void> {
  await rm(node.plan.dataDir, { recursive: true, force: true });
  await copy(copyOf(node), node.plan.dataDir);
  await node.start();
}

describe('a cluster that has lost its majority for good', () => {
  it('is not recovered under a node that runs', async () => {
    for (const id of [2, 3]) {
      const node = cluster.node(id);
      await node.kill();
      await copy(node.plan.dataDir, copyOf(node));
      await node.wipe();
    }
    await cluster.statusOf(1, 'knows no leader', ({ body }) => body.leader_id === null);
    const { code, stderr } = await recover('1\n');
    expect([code, stderr]).toEqual([REFUSED, expect.stringContaining('is in use by process')]);
    await cluster.node(1).stop();
  });

  it('is left as it is unless the node id is typed, after everything was said', async () => {
    for (const typed of ['', '2\n']) {
      const { code, stdout, stderr } = await recover(typed);
      expect([code, stdout]).toEqual([REFUSED, '']);
      for (const said of ['node 2  voter', 'node 3  voter', 'on-node-2-0', 'gone for good', 'Nothing was changed.']) {
        expect(stderr).toContain(said);
      }
    }
  });

  it.each([
    ['controller/journal/000.journal', 'is damaged at offset 4096', 'Restore the directory from a copy'],
    ['controller/image/CURRENT', 'the image of the metadata in', 'Move '],
    ['node.json', 'is damaged', 'Restore this file from a copy of the directory'],
  ])('is not recovered from a directory of which %s is damaged: it says so, where, and what to do', async (file, what, todo) => {
    const damaged = `${cluster.node(1).plan.directory}/damaged`;
    await copy(cluster.node(1).plan.dataDir, damaged);
    const place = path.join(damaged, file);
    const bytes = await readFile(place);
    // Of a journal, its first group; of a file that is shorter, all.
    const start = bytes.length > 2 * BLOCK_BYTES ? BLOCK_BYTES : 0;
    await writeFile(place, bytes.fill(0x7b, start, Math.min(start + 64, bytes.length)));
    const folders = new Set([damaged, path.join(damaged, 'controller/log'), path.dirname(place)]);
    const before = await contentsOf(folders);
    const { code, stdout, stderr } = await recoverIn(damaged, '1\n', '--yes');
    expect([code, stdout]).toEqual([UNREADABLE, '']);
    expect(stderr).toContain(what);
    expect(stderr).toContain(path.join(damaged, path.dirname(file)));
    expect(stderr).toContain(todo);
    expect(stderr).not.toMatch(/^\s+at /m);
    // RocksDB notes each attempt in its own files.
    if (!file.includes('image')) expect(await contentsOf(folders)).toEqual(before);
    await rm(damaged, { recursive: true });
  });

  it('goes on with the one node that is recovered, which leads at once', async () => {
    const { code, stdout } = await recover('1\n');
    expect([code, stdout]).toEqual([0, expect.stringContaining('Node 1 is the only member of cluster ')]);
    expect((await recover('', '--yes')).stderr).toContain('it is the only member of its cluster');
    await cluster.form(1);
    expect((await topicsAt(cluster.node(1))).has('on-node-1')).toBe(true);
    await createTopicOn(1, cluster.node(1), 'after-the-recovery');
  });

  it('refuses members of before that come back with their directories, also where they are a majority of what was', async () => {
    const old = [cluster.node(2), cluster.node(3)];
    await Promise.all(old.map(comesBackWithItsOldDirectory));
    for (const node of old) {
      expect(await node.command.end(ENDS_WITHIN_MS)).toMatchObject({ code: CLUSTER_REFUSED });
      expect(node.latestLog).toContain(LEFT_OUT);
      expect(node.latestLog).toContain(`--seed-nodes ${cluster.node(1).interBroker} --data-dir ${node.plan.dataDir}-2 `);
    }
    await cluster.formed([1]);
  });

  it('takes them in with empty directories, and is whole again', async () => {
    for (const id of [2, 3]) await cluster.node(id).wipe();
    await cluster.form(2, 3);
    await createTopicOn(3, cluster.node(2), 'whole-again');
  });
});
