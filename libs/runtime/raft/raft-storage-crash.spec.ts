import { describe, expect, it } from 'vitest';
import type { PersistEffect } from '@streamline/core/raft/effects';
import { EMPTY_CONFIGURATION, entrySizeBytes } from '@streamline/core/raft/limits';
import type { Configuration, Entry, HardState, LogIndex, SnapshotMeta, VoterId } from '@streamline/core/raft/types';
import { voterId } from '@streamline/core/raft/types';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { DiskRaftStorage } from './disk-raft-storage';
import { openRaftStorage } from './open-raft-storage';
import { readSnapshot } from './snapshot-file';

const SEEDS = 60;
const LIVES = 4;
const NODE = 1 as NodeId;
const DIRECTORY = 'directorydirectory0000' as DirectoryId;
const SELF = voterId(NODE, DIRECTORY);
const BOOTSTRAP: Configuration = { ...EMPTY_CONFIGURATION, members: [{ id: SELF, address: 'a:1' }], voters: [SELF] };

/** What a member's disk must hold after some effects. */
interface Model {
  readonly hardState: HardState;
  /** By index; what is before the base is gone. */
  readonly entries: ReadonlyMap<LogIndex, Entry>;
  readonly lastIndex: LogIndex;
  readonly installed: SnapshotMeta | undefined;
}

interface Counters {
  crashes: number;
  kills: number;
  installs: number;
  installsLost: number;
  truncations: number;
  unacknowledgedSurvived: number;
  unacknowledgedLost: number;
  purged: number;
  checkpoints: number;
  manyParts: number;
  snapshotsSurvived: number;
  readsFromSegments: number;
}

/** The bytes of a snapshot's state, from its id. */
function contentOf({ id }: SnapshotMeta): Buffer {
  return Buffer.from(id.repeat(300));
}

class Story {
  #disk: MemoryDisk;
  #clock = new VirtualClock();
  readonly #random: SeededRandom;
  /** After each effect so far; the first `#acknowledged + 1` are history. */
  #states: Model[] = [
    { hardState: { term: 0, votedFor: undefined, commitIndex: 0 }, entries: new Map(), lastIndex: 0, installed: undefined },
  ];
  #acknowledged = 0;
  #term = 1;
  #ids = 0;
  #commitIndex = 0;
  #purgedTo = 0;
  /** The newest that was reported durable. */
  #snapshot: SnapshotMeta | undefined;

  constructor(
    seed: number,
    private readonly counters: Counters,
  ) {
    this.#random = new SeededRandom(seed);
    this.#disk = new MemoryDisk({ random: this.#random.fork() });
  }

  async run(): Promise<void> {
    await this.#disk.makeDirectory('/raft');
    await this.#disk.syncDirectory('/');
    for (let life = 0; life < LIVES; life++) {
      const storage = await this.#open();
      await this.#check(storage);
      const stopped = this.#disk.stopAfter(this.#random.integer(1, 300));
      const failed = new Promise<never>((_, reject) => storage.onFailure(reject));
      await Promise.race([stopped, this.#work(storage), failed]);
      this.counters.checkpoints += storage.checkpoints;
      this.#end();
    }
    const storage = await this.#open();
    await this.#check(storage);
    await storage.close();
    await this.#check(await this.#open());
  }

  #open(): Promise<DiskRaftStorage> {
    return openRaftStorage({
      disk: this.#disk,
      clock: this.#clock,
      random: this.#random,
      directory: '/raft',
      nodeId: NODE,
      directoryId: DIRECTORY,
      clusterId: 'clusterclustercluster0' as ClusterId,
      bootstrap: BOOTSTRAP,
      journalSize: { fileBytes: 80 * 1024, fileCount: 6, groupBytesMax: 16 * 1024, pendingBytesMax: 64 * 1024 },
      segmentLimits: { segmentBytesMax: 6_000, segmentEntriesMax: 12, batchBytesMax: 3_000, gatherMs: 10 },
    });
  }

  #end(): void {
    this.#clock = new VirtualClock();
    if (this.#random.chance(0.6)) {
      this.#disk = this.#disk.crash();
      this.counters.crashes++;
    } else {
      this.#disk = this.#disk.kill();
      this.counters.kills++;
    }
  }

  get #last(): Model {
    const last = this.#states.at(-1);
    if (last === undefined) throw new Error('there is always a state');
    return last;
  }

  async #work(storage: DiskRaftStorage): Promise<void> {
    for (let n = 0; n < 40; n++) {
      const burst = this.#random.integer(1, 4);
      const waiting: Promise<void>[] = [];
      for (let m = 0; m < burst; m++) waiting.push(this.#persist(storage, this.#nextEffect()));
      if (this.#random.chance(0.3)) this.#clock.advance(this.#random.integer(1, 30));
      if (this.#random.chance(0.7)) await Promise.all(waiting);
      if (this.#random.chance(0.15)) await this.#snapshotAndPurge(storage);
      if (this.#random.chance(0.08)) await this.#install(storage);
      if (this.#random.chance(0.2)) await this.#read(storage);
    }
  }

  #nextEffect(): PersistEffect {
    const { lastIndex } = this.#last;
    const truncates = lastIndex > this.#commitIndex && this.#random.chance(0.15);
    const truncateAfter = truncates ? this.#random.integer(this.#commitIndex, lastIndex - 1) : undefined;
    if (truncates) this.#term++;
    if (this.#random.chance(0.1)) this.#term++;
    const from = truncateAfter ?? lastIndex;
    const count = this.#random.chance(0.2) ? 0 : this.#random.integer(1, 5);
    const entries = Array.from({ length: count }, (_, at) => this.#entry(from + 1 + at));
    const hardState =
      entries.length === 0 || this.#random.chance(0.3)
        ? { term: this.#term, votedFor: this.#random.chance(0.5) ? SELF : undefined, commitIndex: this.#commitIndex }
        : undefined;
    return { kind: 'persist', persistId: 0, hardState, installSnapshot: undefined, truncateAfter, entries, messages: [] };
  }

  #entry(index: LogIndex): Entry {
    const isLarge = this.#random.chance(0.05);
    const records = Array.from({ length: this.#random.integer(0, 3) }, () =>
      this.#random.bytes(isLarge ? 2_500 : this.#random.integer(1, 300)),
    );
    const id = this.#random.chance(0.3) ? { clientId: 'c', sessionIndex: 3, sequence: index } : undefined;
    const base = { index, term: this.#term, id, timestampMs: 1_700_000_000_000 + index };
    if (this.#random.chance(0.1)) {
      const configuration = {
        ...BOOTSTRAP,
        learners: ['2@x' as VoterId],
        members: [...BOOTSTRAP.members, { id: '2@x' as VoterId, address: 'b:2' }],
      };
      return {
        ...base,
        kind: 'configuration',
        id: undefined,
        records: [],
        configuration,
        sizeBytes: entrySizeBytes([], configuration),
      };
    }
    const kind = records.length === 0 ? 'noop' : 'records';
    return { ...base, kind, records, configuration: undefined, sizeBytes: entrySizeBytes(records) };
  }

  #persist(storage: DiskRaftStorage, effect: PersistEffect): Promise<void> {
    const before = this.#last;
    const entries = new Map(effect.installSnapshot === undefined ? before.entries : []);
    let lastIndex = effect.installSnapshot?.index ?? before.lastIndex;
    if (effect.truncateAfter !== undefined) {
      this.counters.truncations++;
      for (let index = lastIndex; index > effect.truncateAfter; index--) entries.delete(index);
      lastIndex = effect.truncateAfter;
    }
    for (const entry of effect.entries) entries.set(entry.index, entry);
    lastIndex = effect.entries.at(-1)?.index ?? lastIndex;
    if (effect.entries.length > 4) this.counters.manyParts++;
    const hardState = effect.hardState ?? before.hardState;
    const number =
      this.#states.push({ hardState, entries, lastIndex, installed: effect.installSnapshot ?? before.installed }) - 1;
    return storage.persist(effect).then(() => {
      expect(number, 'effects become durable in their order').toBe(this.#acknowledged + 1);
      this.#acknowledged = number;
    });
  }

  #meta(index: LogIndex): SnapshotMeta {
    const term = this.#last.entries.get(index)?.term ?? this.#term;
    return { id: `${index}-${term}-${++this.#ids}`, index, term, configuration: { index: 0, configuration: BOOTSTRAP } };
  }

  async #snapshotAndPurge(storage: DiskRaftStorage): Promise<void> {
    const durable = this.#states[this.#acknowledged];
    const index = durable?.lastIndex ?? 0;
    if (index <= (this.#snapshot?.index ?? 0) || this.#last.installed !== durable?.installed) return;
    // Committed, so that it is never truncated again.
    if (
      this.#states
        .slice(this.#acknowledged)
        .some(({ entries }) => !entries.has(index) || entries.get(index) !== durable?.entries.get(index))
    )
      return;
    this.#commitIndex = index;
    const meta = this.#meta(index);
    const pieces = [contentOf(meta).subarray(0, 100), contentOf(meta).subarray(100)];
    const isTaken = await storage.takeSnapshot(meta, pieces);
    expect(isTaken).toBe(true);
    this.#snapshot = meta;
    this.#purgedTo = Math.max(index - 10, this.#purgedTo);
    storage.purge({ kind: 'purge', index: this.#purgedTo, keepSnapshotIds: [meta.id] });
    this.counters.purged++;
  }

  /** As a slow follower gets it: in chunks of another node's file, then by an effect. */
  async #install(storage: DiskRaftStorage): Promise<void> {
    const index = this.#last.lastIndex + this.#random.integer(1, 30);
    this.#term++;
    const meta = { ...this.#meta(index), term: this.#term };
    const file = await snapshotFile(meta);
    for (let offset = 0; offset < file.length; offset += 4_000) {
      const data = file.subarray(offset, offset + 4_000);
      const last = offset + data.length >= file.length;
      expect(await storage.writeSnapshotChunk(meta, offset, data, last)).toBe(true);
    }
    this.#commitIndex = index;
    const hardState = { term: this.#term, votedFor: undefined, commitIndex: index };
    const entries = [this.#entry(index + 1)];
    await this.#persist(storage, {
      kind: 'persist',
      persistId: 0,
      hardState,
      installSnapshot: meta,
      truncateAfter: undefined,
      entries,
      messages: [],
    });
    this.counters.installs++;
    this.#snapshot = meta;
    this.#purgedTo = index;
    if (this.#random.chance(0.5)) storage.purge({ kind: 'purge', index, keepSnapshotIds: [meta.id] });
  }

  async #read(storage: DiskRaftStorage): Promise<void> {
    const acknowledged = this.#states[this.#acknowledged];
    const isQuiet = this.#acknowledged === this.#states.length - 1;
    const firstIndex = this.#purgedTo + 1;
    if (!isQuiet || acknowledged === undefined || acknowledged.lastIndex < firstIndex) return;
    await this.#expectEntries(storage, acknowledged, firstIndex, acknowledged.lastIndex);
    this.counters.readsFromSegments++;
  }

  async #expectEntries(storage: DiskRaftStorage, model: Model, firstIndex: LogIndex, lastIndex: LogIndex): Promise<void> {
    let next = firstIndex;
    while (next <= lastIndex) {
      const bytesMax = this.#random.integer(1, 3_000);
      const entries = await storage.readEntries({ kind: 'read-entries', readId: 1, firstIndex: next, lastIndex, bytesMax });
      expect(entries.length, `entries from ${next}`).toBeGreaterThan(0);
      for (const entry of entries) expect(plain(entry)).toEqual(plain(model.entries.get(next++)));
    }
  }

  /** What is there is what some prefix of the effects made, and at least what was acknowledged. */
  async #check(storage: DiskRaftStorage): Promise<void> {
    const { log, hardState, snapshot } = storage.recovered;
    const candidates = this.#states.slice(this.#acknowledged);
    let matched = -1;
    for (const [at, model] of candidates.entries()) {
      if (JSON.stringify(model.hardState) !== JSON.stringify(hardState) || model.lastIndex !== log.lastIndex) continue;
      if (log.recentEntries.every(({ index, term }) => model.entries.get(index)?.term === term)) matched = at;
    }
    const model = candidates[matched];
    if (model === undefined) {
      throw new Error(
        `recovered ${JSON.stringify({ ...log, recentEntries: log.recentEntries.length, hardState })}, which none of ${JSON.stringify(candidates.map(({ lastIndex, hardState: expected }) => ({ lastIndex, expected })))} is`,
      );
    }
    if (matched > 0) this.counters.unacknowledgedSurvived++;
    if (matched < candidates.length - 1) this.counters.unacknowledgedLost++;
    if (candidates.slice(matched + 1).some(({ installed }) => installed !== model.installed)) this.counters.installsLost++;
    expect(log.baseIndex).toBeLessThanOrEqual(Math.max(this.#purgedTo, model.installed?.index ?? 0));
    await this.#expectEntries(storage, model, log.baseIndex + 1, log.lastIndex);
    for (const [at, { firstIndex, term }] of log.termRuns.entries()) {
      const end = log.termRuns[at + 1]?.firstIndex ?? log.lastIndex + 1;
      for (let index = firstIndex; index < end; index++) expect(model.entries.get(index)?.term).toBe(term);
    }
    const configurations = [...model.entries.values()].filter(
      (entry) => entry.kind === 'configuration' && entry.index > Math.max(log.baseIndex, snapshot?.index ?? 0),
    );
    expect(log.configurations.map(({ index }) => index)).toEqual(configurations.map(({ index }) => index).sort((a, b) => a - b));
    await this.#checkSnapshot(storage, model);
    this.#states = [model];
    this.#acknowledged = 0;
    this.#term = Math.max(this.#term, hardState.term) + 1;
    this.#commitIndex = Math.max(snapshot?.index ?? 0, Math.min(this.#commitIndex, log.lastIndex));
    this.#purgedTo = Math.max(log.baseIndex, Math.min(this.#purgedTo, log.lastIndex));
  }

  async #checkSnapshot(storage: DiskRaftStorage, model: Model): Promise<void> {
    const { snapshot, log } = storage.recovered;
    expect(snapshot?.index ?? 0).toBeGreaterThanOrEqual(this.#snapshot?.index ?? 0);
    if (model.installed !== undefined) expect(snapshot?.index).toBeGreaterThanOrEqual(model.installed.index);
    if (snapshot === undefined) return;
    this.counters.snapshotsSurvived++;
    expect(log.baseIndex).toBeLessThanOrEqual(snapshot.index);
    const pieces: Uint8Array[] = [];
    for await (const piece of storage.openSnapshot(snapshot)) pieces.push(piece);
    expect(Buffer.concat(pieces).equals(contentOf(snapshot))).toBe(true);
    this.#snapshot = snapshot;
  }
}

/** By value, in one order. */
function plain(entry: Entry | undefined): unknown {
  if (entry === undefined) return undefined;
  const { index, term, kind, id, configuration, timestampMs, sizeBytes } = entry;
  const records = entry.records.map((record) => Buffer.from(record).toString('hex'));
  const { voters, outgoingVoters, learners, members } = configuration ?? EMPTY_CONFIGURATION;
  return [
    index,
    term,
    kind,
    id?.clientId,
    id?.sessionIndex,
    id?.sequence,
    members,
    voters,
    outgoingVoters,
    learners,
    timestampMs,
    sizeBytes,
    records,
  ];
}

/** The bytes of the file that another node would send. */
async function snapshotFile(meta: SnapshotMeta): Promise<Buffer> {
  const disk = new MemoryDisk({ random: new SeededRandom(7) });
  await disk.makeDirectory('/raft');
  const storage = await openRaftStorage({
    disk,
    clock: new VirtualClock(),
    random: new SeededRandom(8),
    directory: '/raft',
    nodeId: NODE,
    directoryId: DIRECTORY,
    clusterId: undefined,
    bootstrap: BOOTSTRAP,
    journalSize: { fileBytes: 80 * 1024, fileCount: 2, groupBytesMax: 16 * 1024, pendingBytesMax: 64 * 1024 },
  });
  await storage.takeSnapshot(meta, [contentOf(meta)]);
  const path = disk.filePaths().find((name) => name.endsWith('.snapshot')) ?? '';
  const file = await disk.open(path, 'read');
  const pieces: Uint8Array[] = [];
  for await (const piece of readSnapshot(file)) pieces.push(piece);
  expect(Buffer.concat(pieces).equals(contentOf(meta))).toBe(true);
  return disk.contentOf(path);
}

describe('Raft storage that crashes', () => {
  it(`finds every acknowledged write, each whole or not at all, and no snapshot that was not installed, over ${SEEDS} seeds`, async () => {
    const counters: Counters = {
      crashes: 0,
      kills: 0,
      installs: 0,
      installsLost: 0,
      truncations: 0,
      unacknowledgedSurvived: 0,
      unacknowledgedLost: 0,
      purged: 0,
      checkpoints: 0,
      manyParts: 0,
      snapshotsSurvived: 0,
      readsFromSegments: 0,
    };
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await new Story(seed, counters).run();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    for (const [what, count] of Object.entries(counters)) expect(count, what).toBeGreaterThan(0);
  }, 600_000);
});
