import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataIndex } from '@streamline/core/types/ids';
import { BOOTSTRAP, contents, create, DIRECTORY, NODE, startBroker, topic } from '@streamline/testing/controller/controller-kit';
import { until } from '@streamline/testing/time/until';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { NodeDisk } from '../disk/node-disk';
import type { MetadataReplica } from '../metadata/metadata-replica';
import { decodeRecord } from '../metadata/record-codec';
import { openRocksStore } from '../rocks/rocks-store';
import { NodeClock } from '../time/node-clock';
import { NodeRandom } from '../time/node-random';
import { ClusterMember } from './cluster-member';

const nobody = () => Promise.reject(new Error('there are no peers'));

describe('ClusterMember', () => {
  let directory: string;
  let replica: MetadataReplica;
  const fatal: Error[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'controller-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
    expect(fatal).toEqual([]);
  });

  /** A node without seeds on a real disk, which leads. */
  async function start(): Promise<ClusterMember> {
    const member = new ClusterMember({
      clock: new NodeClock(),
      random: new NodeRandom(),
      disk: new NodeDisk(),
      directory,
      nodeId: NODE,
      directoryId: DIRECTORY,
      openStore: openRocksStore,
      address: '127.0.0.1:9093',
      incarnationId: 'first',
      softwareVersion: '1',
      mode: 'auto',
      seeds: [],
      wayBack: () => 'with an empty directory',
      peers: { controllerAt: () => expect.fail('there are no peers'), askMembership: nobody },
      bootstrap: BOOTSTRAP,
      snapshotIntervalLogs: 7,
      maxLogsInSnapshot: 1000,
      onLogProblem: (error) => fatal.push(error),
      events: {
        onBrokerExpired: () => undefined,
        onPossibleLoss: () => undefined,
        onUncleanElections: () => undefined,
        onLeadership: () => undefined,
        onLeadersBalanced: () => undefined,
        onDefect: (error) => fatal.push(error),
        onFatal: (error) => fatal.push(error),
        onWaiting: () => undefined,
        onMembershipProblem: () => undefined,
        onRetired: () => undefined,
        onOpened: (_, opened) => (replica = opened),
      },
    });
    await member.start();
    await until(() => replica.image.clusterId !== undefined);
    return member;
  }

  /** The metadata as a follower gets it. */
  async function followed(controller: ControllerPort, fromIndex: number): Promise<MetadataState> {
    const state = new MetadataState();
    for await (const { records, metadataIndex } of controller.followMetadata({ fromIndex, follower: 'test' })) {
      state.apply(metadataIndex as MetadataIndex, records.map(decodeRecord));
      if (metadataIndex === replica.image.index) break;
    }
    return state;
  }

  it('finds on a real disk, in RocksDB, the same metadata that replaying its whole log gives', async () => {
    const first = await start();
    await startBroker(first.controller);
    for (let n = 0; n < 20; n++) {
      await create(first.controller, topic(`t${n}`, { partitions: 3, configs: [{ name: 'retention.ms', value: String(n) }] }));
      if (n % 3 === 0) await first.controller.deleteTopics({ topics: [{ name: `t${n}` }], timeoutMs: 0 });
    }
    await create(first.controller, topic('t0', { partitions: 2 }));
    const replayed = await followed(first.controller, 1);
    await first.stop();
    const second = await start();
    const restored = await followed(second.controller, 0);
    expect(contents(restored)).toEqual(contents(replayed));
    expect((await second.controller.getQuorumStatus({ ofLeader: true })).currentTerm).toBe(2);
    await second.stop();
  });
});
