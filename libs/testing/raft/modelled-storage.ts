import type { PersistEffect, PurgeEffect } from '@streamline/core/raft/effects';
import type {
  Entry,
  HardState,
  LogIndex,
  LogSummary,
  PlacedConfiguration,
  SnapshotMeta,
  Term,
  TermRun,
} from '@streamline/core/raft/types';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { SimulationCounters } from './counters';
import type { EventQueue, ScheduledEvent } from './event-queue';
import type { SimulatedDisk } from './simulated-process';

/** A snapshot's file. */
export interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  bytes: Buffer;
  /** All of it is there, verified and fsynced. */
  isComplete: boolean;
  /** A start may begin with it: it was taken here, or its installation is durable. */
  counts: boolean;
}

/** The state machine's own durable image (RocksDB in the controller). */
export interface StoredImage {
  readonly index: LogIndex;
  readonly bytes: Buffer;
}

interface Purge {
  readonly kind: 'purge';
  readonly index: LogIndex;
  readonly snapshotIds: readonly string[];
}

interface Waiting {
  readonly effect: PersistEffect | Purge;
  readonly onDurable: () => void;
}

/** Milliseconds that a group's write takes at least and at most. */
const WRITE_MS = [0.05, 2] as const;
/** One write in so many takes up to a hundred times as long. */
const STALL_CHANCE = 0.004;
const STALL_MS_MAX = 5_000;

/**
 * A disk with exactly the durability that `PersistEffect` asks of one: effects become durable in order, several in a group; a
 * crash keeps any first part of the group that was being written, effect by effect, and loses what waited behind it.
 */
export class ModelledStorage implements SimulatedDisk {
  hardState: HardState = { term: 0, votedFor: undefined, commitIndex: 0 };
  readonly snapshots = new Map<string, StoredSnapshot>();
  image: StoredImage | undefined;
  #isDamaged = false;
  #baseIndex: LogIndex = 0;
  #baseTerm: Term = 0;
  #entries: Entry[] = [];
  #waiting: Waiting[] = [];
  #inFlight: readonly Waiting[] = [];
  #write: ScheduledEvent | undefined;
  #slowness = 1;
  #failsNext = false;

  constructor(
    private readonly random: SeededRandom,
    private readonly counters: SimulationCounters,
  ) {}

  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  get baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#baseIndex + this.#entries.length;
  }

  /** Of what is durable. */
  entryAt(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.#baseIndex - 1];
  }

  /** `onFailure`: the write failed, and the process is to end (J-9). */
  persist(events: EventQueue, effect: PersistEffect, onDurable: () => void, onFailure: () => void): void {
    this.#waiting.push({ effect, onDurable });
    if (this.#inFlight.length === 0) this.#begin(events, onFailure);
  }

  /** In its turn behind the writes that wait; a crash before that forgets it. */
  purge({ index, keepSnapshotIds }: PurgeEffect): void {
    const snapshots = [...this.snapshots].filter(([id, { counts }]) => counts && !keepSnapshotIds.includes(id));
    // Those of now: what is taken until it is their turn is not meant.
    const effect: Purge = { kind: 'purge', index, snapshotIds: snapshots.map(([id]) => id) };
    if (this.#inFlight.length === 0) this.#purge(effect);
    else this.#waiting.push({ effect, onDurable: () => undefined });
  }

  /** From `firstIndex` on, as far as they are there and fit, but at least one. */
  read(firstIndex: LogIndex, lastIndex: LogIndex, bytesMax: number): readonly Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = firstIndex; index <= lastIndex; index += 1) {
      const entry = this.entryAt(index);
      if (entry === undefined) break;
      bytes += entry.sizeBytes;
      if (bytes > bytesMax && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  /** The newest that a start may begin with. */
  get newestSnapshot(): StoredSnapshot | undefined {
    let newest: StoredSnapshot | undefined;
    for (const snapshot of this.snapshots.values()) {
      if (snapshot.counts && snapshot.isComplete && snapshot.meta.index >= (newest?.meta.index ?? 0)) newest = snapshot;
    }
    return newest;
  }

  get summary(): LogSummary {
    const termRuns: TermRun[] = [];
    const configurations: PlacedConfiguration[] = [];
    for (const { index, term, configuration } of this.#entries) {
      if (termRuns.at(-1)?.term !== term) termRuns.push({ firstIndex: index, term });
      if (configuration !== undefined) configurations.push({ index, configuration });
    }
    const snapshotIndex = this.newestSnapshot?.meta.index ?? 0;
    const leavesOutOld = this.random.chance(0.5);
    return {
      baseIndex: this.#baseIndex,
      baseTerm: this.#baseTerm,
      lastIndex: this.lastIndex,
      termRuns,
      configurations: leavesOutOld ? configurations.filter(({ index }) => index > snapshotIndex) : configurations,
      recentEntries: this.#entries.slice(this.random.integer(0, this.#entries.length)),
    };
  }

  crash(): void {
    if (this.#write !== undefined) this.#write.isCancelled = true;
    const kept = this.random.chance(0.5) ? this.#inFlight.length : this.random.integer(0, this.#inFlight.length);
    if (kept < this.#inFlight.length) this.counters.tornGroups += 1;
    if (kept > 0) this.counters.keptGroups += 1;
    for (const { effect } of this.#inFlight.slice(0, kept)) this.#carryOut(effect);
    [this.#inFlight, this.#waiting, this.#write] = [[], [], undefined];
    this.heal();
    for (const [id, snapshot] of this.snapshots) if (!snapshot.isComplete || !snapshot.counts) this.snapshots.delete(id);
  }

  /** For disks that lose what they must not. */
  protected cutLast(): void {
    this.#entries.pop();
  }

  flipBit(): boolean {
    if (this.#entries.length === 0 && this.hardState.term === 0) return false;
    this.#isDamaged = true;
    return true;
  }

  slowDown(factor: number): void {
    this.#slowness = factor;
  }

  failNextWrite(): void {
    this.#failsNext = true;
  }

  heal(): void {
    this.#failsNext = false;
    this.#slowness = 1;
  }

  #begin(events: EventQueue, onFailure: () => void): void {
    const group = this.#waiting;
    [this.#inFlight, this.#waiting] = [group, []];
    const stall = this.random.chance(STALL_CHANCE) ? 100 : 1;
    const quickMs = WRITE_MS[0] + this.random.next() * (WRITE_MS[1] - WRITE_MS[0]);
    const delayMs = Math.min(quickMs * stall * this.#slowness, STALL_MS_MAX);
    this.#write = events.after(delayMs, () => {
      if (this.#failsNext) {
        onFailure();
        return;
      }
      this.#inFlight = [];
      this.#write = undefined;
      for (const { effect } of group) this.#carryOut(effect);
      for (const { onDurable } of group) onDurable();
      if (this.#waiting.length > 0 && this.#inFlight.length === 0) this.#begin(events, onFailure);
    });
  }

  #carryOut(effect: PersistEffect | Purge): void {
    if (effect.kind === 'purge') this.#purge(effect);
    else this.#store(effect);
  }

  #store({ hardState, installSnapshot, truncateAfter, entries }: PersistEffect): void {
    if (installSnapshot !== undefined) this.#install(installSnapshot);
    if (truncateAfter !== undefined) this.#entries.length = Math.max(truncateAfter - this.#baseIndex, 0);
    this.#entries.push(...entries);
    if (hardState !== undefined) this.hardState = hardState;
  }

  #install(meta: SnapshotMeta): void {
    const snapshot = this.snapshots.get(meta.id);
    if (snapshot?.isComplete !== true) throw new Error(`snapshot ${meta.id} is installed, which is not complete`);
    snapshot.counts = true;
    this.#baseIndex = meta.index;
    this.#baseTerm = meta.term;
    this.#entries = [];
  }

  #purge({ index, snapshotIds }: Purge): void {
    const count = Math.min(index, this.lastIndex) - this.#baseIndex;
    if (count > 0) {
      this.#baseTerm = this.#entries[count - 1]?.term ?? this.#baseTerm;
      this.#entries.splice(0, count);
      this.#baseIndex += count;
    }
    for (const id of snapshotIds) this.snapshots.delete(id);
  }
}
