import { EMPTY_CONFIGURATION } from '@streamline/core/raft/limits';
import type { Configuration } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, NodeId } from '@streamline/core/types/ids';
import { MemoryStore, StoreMedium } from '@streamline/testing/controller/memory-store';
import { addressOf, directoryOf } from '@streamline/testing/controller/scripted-consensus';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { describe, expect, it } from 'vitest';
import type { DiskRaftStorage } from '../raft/disk-raft-storage';
import { openRaftStorage } from '../raft/open-raft-storage';
import { LogRecovery, type RecoveryOptions } from './recovery';

const CLUSTER = 'clusterclustercluster0' as ClusterId;
const NODE = 1 as NodeId;
const OPERATIONS_MAX = 200;

function votersOf(...nodeIds: readonly number[]): Configuration {
  const members = nodeIds.map((id) => ({ id: voterId(id as NodeId, directoryOf(id)), address: addressOf(id) }));
  return { members, voters: members.map(({ id }) => id), outgoingVoters: [], learners: [] };
}

/** The machine of node 1, whose cluster has lost the others. */
class Machine {
  readonly random: SeededRandom;
  readonly medium = new StoreMedium();
  readonly clock = new VirtualClock();
  disk: MemoryDisk;

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
    this.disk = new MemoryDisk({ random: this.random.fork() });
  }

  get options(): RecoveryOptions {
    const { disk, random, clock, medium } = this;
    return {
      disk,
      clock,
      random,
      directory: '/controller',
      nodeId: NODE,
      directoryId: directoryOf(NODE),
      clusterId: CLUSTER,
      openStore: (_, mode) => Promise.resolve(new MemoryStore(medium, mode)),
      journalSize: { fileBytes: 128 * 1024, fileCount: 4, groupBytesMax: 32 * 1024, pendingBytesMax: 256 * 1024 },
    };
  }

  storage(bootstrap: Configuration = EMPTY_CONFIGURATION): Promise<DiskRaftStorage> {
    return openRaftStorage({ ...this.options, bootstrap });
  }

  /** A life as a member of this cluster: in term 4 it had a vote for node 2, and entries 1 to 3, of which one is known as committed. */
  async live(configuration = votersOf(1, 2, 3)): Promise<void> {
    await this.disk.makeDirectory('/controller');
    await this.disk.syncDirectory('/');
    const storage = await this.storage(configuration);
    const entry = {
      term: 4,
      kind: 'noop',
      records: [],
      id: undefined,
      configuration: undefined,
      timestampMs: 1,
      sizeBytes: 96,
    } as const;
    await storage.persist({
      kind: 'persist',
      persistId: 1,
      hardState: { term: 4, votedFor: voterId(2 as NodeId, directoryOf(2)), commitIndex: 1 },
      entries: [1, 2, 3].map((index) => ({ ...entry, index })),
      installSnapshot: undefined,
      truncateAfter: undefined,
      messages: [],
    });
    await storage.close();
  }

  async recover(): Promise<void> {
    const recovery = await LogRecovery.open(this.options);
    try {
      await recovery.carryOut();
    } finally {
      await recovery.close();
    }
  }

  /** Who votes, in which epoch of the cluster, and where the log ends. */
  async found() {
    const storage = await this.storage();
    const { log, bootstrap, hardState } = storage.recovered;
    await storage.close();
    const { voters } = log.configurations.at(-1)?.configuration ?? bootstrap;
    return { voters, epoch: storage.clusterEpoch, lastIndex: log.lastIndex, hardState };
  }
}

describe('a recovery from the loss of a majority', () => {
  it('says what it means before it changes anything', async () => {
    const machine = new Machine();
    await machine.live();
    const recovery = await LogRecovery.open(machine.options);
    await recovery.close();
    expect(recovery.findings).toMatchObject({ nodeId: 1, clusterId: CLUSTER, lastIndex: 3, lastTerm: 4 });
    // It never had an image of the metadata.
    expect(recovery.findings.elsewhere).toBeUndefined();
    expect(recovery.findings.others).toEqual([2, 3].map((id) => ({ nodeId: id, address: addressOf(id), isVoter: true })));
    expect(await machine.found()).toMatchObject({ voters: votersOf(1, 2, 3).voters, epoch: 0, lastIndex: 3 });
  });

  it('makes the node the only voter, with its whole log, in a new term and a new epoch', async () => {
    const machine = new Machine();
    await machine.live();
    await machine.recover();
    const { voters, epoch, lastIndex, hardState } = await machine.found();
    expect([voters, lastIndex]).toEqual([votersOf(1).voters, 4]);
    expect(hardState).toEqual({ term: 5, votedFor: votersOf(1).voters[0], commitIndex: 1 });
    expect(epoch).toBeGreaterThan(0);
  });

  it('takes effect whole or not at all where the power fails in the middle, and can be done again', async () => {
    const seen = new Set<string>();
    for (let operations = 1; operations < OPERATIONS_MAX; operations++) {
      const machine = new Machine(operations);
      await machine.live();
      const stopped = machine.disk.stopAfter(operations);
      const isDone = await Promise.race([stopped.then(() => false), machine.recover().then(() => true)]);
      machine.disk = machine.disk.crash();
      const { voters, epoch, lastIndex } = await machine.found();
      const isRecovered = voters.length === 1;
      expect([epoch > 0, lastIndex], `after ${operations} operations`).toEqual([isRecovered, isRecovered ? 4 : 3]);
      seen.add(isRecovered ? (isDone ? 'done' : 'done before it ended') : 'not done');
      if (!isRecovered) await machine.recover();
      expect((await machine.found()).voters).toHaveLength(1);
      if (isDone) break;
    }
    expect(seen).toEqual(new Set(['not done', 'done before it ended', 'done']));
  });

  it('is refused to the only member, to one that was removed, and to one that never had the metadata', async () => {
    const cases: [Configuration, string][] = [
      [votersOf(1), 'it is the only member of its cluster'],
      [votersOf(2, 3), 'it was removed from its cluster'],
      [EMPTY_CONFIGURATION, 'it has not received the metadata'],
    ];
    for (const [configuration, problem] of cases) {
      const machine = new Machine();
      await machine.live(configuration);
      await expect(LogRecovery.open(machine.options)).rejects.toThrow(problem);
    }
    const empty = new Machine();
    await empty.disk.makeDirectory('/controller');
    await expect(LogRecovery.open(empty.options)).rejects.toThrow('it has not received the metadata');
  });
});
