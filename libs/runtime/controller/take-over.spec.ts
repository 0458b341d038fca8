import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { contents } from '@streamline/testing/controller/controller-kit';
import { NodeDisk } from '../disk/node-disk';
import { openRocksStore } from '../rocks/rocks-store';
import { NodeClock } from '../time/node-clock';
import { NodeRandom } from '../time/node-random';
import { openMetadataLog, type OpenedLog } from './open-metadata-log';

const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/data-directory/1');
const TOPICS = ['orders', 'trimmed'];

describe('a controller directory of before Raft', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'take-over-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  async function open(): Promise<OpenedLog> {
    const text = await readFile(join(directory, 'data/node.json'), 'utf8');
    const { nodeId, directoryId, clusterId }: Record<string, unknown> = JSON.parse(text);
    return openMetadataLog({
      disk: new NodeDisk(),
      clock: new NodeClock(),
      random: new NodeRandom(),
      directory: join(directory, 'data/controller'),
      nodeId: nodeId as NodeId,
      directoryId: directoryId as DirectoryId,
      expectedClusterId: clusterId as ClusterId,
      openStore: openRocksStore,
      snapshotIntervalLogs: 10,
      maxLogsInSnapshot: 1000,
    });
  }

  for (const fixture of ['stopped', 'killed']) {
    it(`is taken over with all that it holds, once, where its node was ${fixture}`, async () => {
      execFileSync('tar', ['xzf', join(FIXTURES, `${fixture}.tar.gz`), '-C', directory]);
      const first = await open();
      const { term, committedIndex, nodeState } = first.log.status;
      expect(nodeState).toBe('Leader');
      expect([...first.committed.image.topicIdsByName.keys()]).toEqual(expect.arrayContaining(TOPICS));
      expect(first.committed.image.clusterId).toBeDefined();
      expect(first.committed.image.brokers.size).toBe(1);
      const before = contents(first.committed.state);
      await first.close();
      expect(await readdir(join(directory, 'data/controller/log'))).toEqual(['0000000001.segment']);

      // The image is not needed for what the log holds, nor a second take-over.
      const second = await open();
      expect(contents(second.committed.state)).toEqual(before);
      expect([second.log.status.term, second.log.status.committedIndex]).toEqual([term + 1, committedIndex + 1]);
      await second.close();
    });
  }

  it('is refused where its image is lost, since its log does not reach back to the beginning', async () => {
    execFileSync('tar', ['xzf', join(FIXTURES, 'stopped.tar.gz'), '-C', directory]);
    await rm(join(directory, 'data/controller/image'), { recursive: true });
    await expect(open()).rejects.toThrow(/image directory was lost/);
    // Nothing of the log was changed: the version that wrote it can still start on it.
    expect(await readdir(join(directory, 'data/controller'))).not.toContain('log');
  });
});
