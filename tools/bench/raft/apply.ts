import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import { DEFAULT_RAFT_CONFIG } from '@streamline/core/raft/limits';
import type { Proposal } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, LeaderEpoch, NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { CommittedMetadata } from '@streamline/runtime/controller/committed-metadata';
import { MetadataMachine } from '@streamline/runtime/controller/metadata-machine';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { encodeRecord } from '@streamline/runtime/metadata/record-codec';
import { NoPeers } from '@streamline/runtime/raft/no-peers';
import { openRaftStorage } from '@streamline/runtime/raft/open-raft-storage';
import { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import type { Applied, StateMachine } from '@streamline/runtime/raft/state-machine';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import { MemoryStore, StoreMedium } from '@streamline/testing/controller/memory-store';
import type { RaftBench, RaftScenario } from './bench';
import { CountingMachine } from './counting-machine';
import { meter } from './meter';

const NODE = 1 as NodeId;
const DIRECTORY = 'directoryofthebenchma0' as DirectoryId;
const SELF = voterId(NODE, DIRECTORY);
/** No snapshot, so that all of the log is applied. */
const CONFIG = { ...DEFAULT_RAFT_CONFIG, snapshotIntervalLogs: Number.MAX_SAFE_INTEGER };
const ENTRIES_A_CALL = 100;
const CALLS_OUTSTANDING = 32;
const DEADLINE_MS = 30_000;
const PARTITIONS = 10;
const TOPICS = 1_000;

/** Entries are written to a real log of one voter; then the log is opened again, and all of it is read and applied. */
export const applyScenario: RaftScenario = {
  name: 'apply',
  summary: 'applying a log from disk at a start: storage, driver and a state machine, one process',
  async run(bench) {
    const counting = (): Promise<StateMachine<Applied>> => Promise.resolve(new CountingMachine(0));
    await measure(bench, 'entries of 100 B, a machine that counts', counting, () => [Buffer.alloc(100)]);
    await measure(bench, 'entries of 1 KiB, a machine that counts', counting, () => [Buffer.alloc(1024)]);
    await measure(
      bench,
      `metadata: ${TOPICS} topics of ${PARTITIONS} partitions, then a change of one each`,
      metadata,
      metadataEntry,
    );
  },
};

async function measure(
  bench: RaftBench,
  line: string,
  createMachine: () => Promise<StateMachine<Applied>>,
  recordsOf: (at: number) => readonly Uint8Array[],
): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'raft-bench-'));
  try {
    await mkdir(directory, { recursive: true });
    const written = await startVoter(directory, await createMachine());
    const used = meter([process.pid]);
    await write(written, bench.entries, recordsOf);
    const writing = used();
    await written.close();
    const opening = await open(directory);
    const machine = await createMachine();
    const usedToApply = meter([process.pid]);
    const applied = RaftDriver.start<Applied>({ ...opening, machine });
    await leads(applied);
    const applying = usedToApply();
    if (machine.appliedIndex < bench.entries) throw new Error(`${machine.appliedIndex} of ${bench.entries} entries were applied`);
    await applied.close();
    bench.record({
      line,
      figures: {
        entries: bench.entries,
        appliedPerSecond: bench.entries / applying.seconds,
        applyCpuMicrosEach: (applying.cpuSeconds / bench.entries) * 1e6,
        writtenPerSecond: bench.entries / writing.seconds,
        writeCpuMicrosEach: (writing.cpuSeconds / bench.entries) * 1e6,
      },
      foreignCores: applying.foreignCores,
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function open(directory: string) {
  const [clock, random] = [new NodeClock(), new NodeRandom()];
  const storage = await openRaftStorage({
    disk: new NodeDisk(),
    clock,
    random,
    directory,
    nodeId: NODE,
    directoryId: DIRECTORY,
    clusterId: 'raftapplicationofthebe' as ClusterId,
    bootstrap: { members: [{ id: SELF, address: '' }], voters: [SELF], outgoingVoters: [], learners: [] },
  });
  return { clock, random, self: SELF, config: CONFIG, storage, transport: new NoPeers() };
}

async function startVoter(directory: string, machine: StateMachine<Applied>): Promise<RaftDriver<Applied>> {
  const driver = RaftDriver.start<Applied>({ ...(await open(directory)), machine });
  await leads(driver);
  return driver;
}

/** It does once it has applied all that was committed before. */
function leads(driver: RaftDriver<Applied>): Promise<void> {
  return new Promise((resolve, reject) => {
    driver.onFailure(reject);
    driver.onLeadership((isLeader) => {
      if (isLeader) resolve();
    });
  });
}

async function write(
  driver: RaftDriver<Applied>,
  entries: number,
  recordsOf: (at: number) => readonly Uint8Array[],
): Promise<void> {
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < entries) {
      const from = next;
      next = Math.min(from + ENTRIES_A_CALL, entries);
      const proposals = Array.from({ length: next - from }, (_, at): Proposal => ({ records: recordsOf(from + at) }));
      let reply = await driver.propose(proposals, { deadlineMs: DEADLINE_MS, forward: false });
      while (reply.kind === 'refused' && reply.reason === 'busy') {
        await new Promise((resolve) => setTimeout(resolve, 1));
        reply = await driver.propose(proposals, { deadlineMs: DEADLINE_MS, forward: false });
      }
      if (reply.kind !== 'applied') throw new Error(`proposals were not applied: ${JSON.stringify(reply)}`);
    }
  };
  await Promise.all(Array.from({ length: CALLS_OUTSTANDING }, loop));
}

async function metadata(): Promise<StateMachine<Applied>> {
  const committed = await CommittedMetadata.load({
    store: new MemoryStore(new StoreMedium()),
    clock: new NodeClock(),
    window: { entriesMax: CONFIG.maxLogsInSnapshot, bytesMax: CONFIG.windowBytesMax },
    onFailure: (error) => {
      throw error;
    },
    onRoom: () => undefined,
  });
  return new MetadataMachine(committed);
}

/** The first entries create topics with all their partitions, those after them change the ISR of one partition. */
function metadataEntry(at: number): readonly Uint8Array[] {
  const topicId = `topic${at % TOPICS}`.padEnd(22, '0') as TopicId;
  if (at >= TOPICS) {
    const partition = (at % PARTITIONS) as PartitionIndex;
    return [encodeRecord({ kind: 'partitionChange', topicId, partition, isr: [NODE], bumpLeaderEpoch: false })];
  }
  const partitions = Array.from({ length: PARTITIONS }, (_, partition): MetadataRecord => {
    return {
      kind: 'partition',
      topicId,
      partition: partition as PartitionIndex,
      replicas: [NODE],
      isr: [NODE],
      elr: [],
      lastKnownElr: [],
      addingReplicas: [],
      removingReplicas: [],
      failedReplicas: [],
      leader: NODE,
      leaderEpoch: 0 as LeaderEpoch,
      partitionEpoch: 0,
    };
  });
  return [{ kind: 'topic', topicId, name: `topic-${at}` } as const, ...partitions].map((record) => encodeRecord(record));
}
