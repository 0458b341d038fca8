import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataIndex } from '@streamline/core/types/ids';
import type { ControllerRole } from '@streamline/runtime/controller/controller-role';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { decodeRecord } from '@streamline/runtime/metadata/record-codec';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import { BOOTSTRAP, contents, create, DIRECTORY, NODE, startBroker, topic } from '@streamline/testing/controller/controller-kit';
import type { RunningController } from './create-controller-role';
import { createControllerRole } from './create-controller-role';

describe('createControllerRole', () => {
  let directory: string;
  const fatal: Error[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'controller-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
    expect(fatal).toEqual([]);
  });

  function start(): Promise<RunningController> {
    return createControllerRole({
      clock: new NodeClock(),
      random: new NodeRandom(),
      disk: new NodeDisk(),
      directory,
      journalDirectory: join(directory, 'journal'),
      onJournalGroup: () => undefined,
      nodeId: NODE,
      directoryId: DIRECTORY,
      expectedClusterId: undefined,
      bootstrap: BOOTSTRAP,
      snapshotIntervalLogs: 7,
      maxLogsInSnapshot: 1000,
      events: {
        onBrokerExpired: () => undefined,
        onPossibleLoss: () => undefined,
        onDefect: (error) => fatal.push(error),
        onFatal: (error) => fatal.push(error),
      },
    });
  }

  /** The metadata as a follower gets it from the role. */
  async function followed(role: ControllerRole, fromIndex: number): Promise<MetadataState> {
    const state = new MetadataState();
    for await (const { records, metadataIndex } of role.followMetadata({ fromIndex, follower: 'test' })) {
      state.apply(metadataIndex as MetadataIndex, records.map(decodeRecord));
      if (metadataIndex === role.replica.image.index) break;
    }
    return state;
  }

  it('finds on a real disk, in RocksDB, the same metadata that replaying its whole log gives', async () => {
    const first = await start();
    await startBroker(first.role);
    for (let n = 0; n < 20; n++) {
      await create(first.role, topic(`t${n}`, { partitions: 3, configs: [{ name: 'retention.ms', value: String(n) }] }));
      if (n % 3 === 0) await first.role.deleteTopics({ topics: [{ name: `t${n}` }], timeoutMs: 0 });
    }
    await create(first.role, topic('t0', { partitions: 2 }));
    const replayed = await followed(first.role, 1);
    await first.stop();
    const second = await start();
    const restored = await followed(second.role, 0);
    expect(contents(restored)).toEqual(contents(replayed));
    expect((await second.role.getQuorumStatus()).currentTerm).toBe(2);
    await second.stop();
  });
});
