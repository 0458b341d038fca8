import type { FaultRule } from '@streamline/testing/disk/fault-injector';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { SimulationCounters } from './counters';
import type { EventQueue } from './event-queue';
import type { StoredImage } from './modelled-storage';
import type { SimulatedDisk } from './simulated-process';

/** Milliseconds that an operation of the disk takes at most. */
const OPERATION_MS = 0.3;
/** How often it happens to a snapshot on half of the disks: to each write and each sync of its file, and to each chunk on its way. */
const SNAPSHOT_WRITE_FAILS = 0.03;
const SNAPSHOT_SYNC_FAILS = 0.05;
const CHUNK_IS_DAMAGED = 0.1;
/** A snapshot that is being written here, or received. */
const PARTIAL_SNAPSHOT = /\.(taking|receiving)$/;

/** A crash disk whose operations take virtual time; on every other one snapshots fail now and then. */
export class ShippedDisk implements SimulatedDisk {
  image: StoredImage | undefined;
  /** A bit was turned over: to refuse the start is right. */
  isSuspect = false;
  /** The process that uses it is stopped: its operations wait. */
  hold: ((run: () => void) => boolean) | undefined;
  #slowness = 1;
  #removeFault = (): void => undefined;
  #removeSnapshotFaults = (): void => undefined;
  /** What happens to snapshots; a generator beside `random`, so that everything else goes on as without it. */
  readonly #snapshotRandom: SeededRandom;
  readonly #harmsSnapshots: boolean;
  #isHarmful = false;
  #disk: MemoryDisk;

  constructor(
    private readonly random: SeededRandom,
    private readonly counters: Pick<SimulationCounters, 'tornGroups' | 'keptGroups'>,
    private readonly events: EventQueue,
  ) {
    this.#snapshotRandom = new SeededRandom(random.seed + 1);
    this.#harmsSnapshots = this.#snapshotRandom.chance(0.5);
    this.#disk = new MemoryDisk({ random: random.fork(), later: (turn) => this.#later(turn) });
    this.#harmSnapshots();
  }

  get files(): MemoryDisk {
    return this.#disk;
  }

  crash(how: 'kill' | 'power'): void {
    this.hold = undefined;
    const { tornWrites, keptWrites } = this.#disk.counters;
    this.#disk = how === 'kill' ? this.#disk.kill() : this.#disk.crash();
    this.counters.tornGroups += this.#disk.counters.tornWrites - tornWrites;
    this.counters.keptGroups += this.#disk.counters.keptWrites - keptWrites;
    this.heal();
    this.#harmSnapshots();
  }

  flipBit(): boolean {
    const paths = this.#disk.filePaths();
    if (paths.length === 0) return false;
    const path = this.random.pick(paths);
    const bytes = this.#disk.durableContentOf(path);
    const used = bytes.findLastIndex((byte) => byte !== 0);
    if (used < 0) return false;
    this.#disk.flipBit(path, this.random.integer(0, used), this.random.integer(0, 7));
    this.isSuspect = true;
    return true;
  }

  slowDown(factor: number): void {
    this.#slowness = factor;
  }

  failNextWrite(): void {
    this.#removeFault();
    this.#removeFault = this.#disk.inject({ operations: ['durableWrite'], fault: 'EIO', times: 1 });
  }

  heal(): void {
    this.#slowness = 1;
    this.#removeFault();
    this.#removeSnapshotFaults();
    this.#isHarmful = false;
  }

  /** What comes of a chunk on its way here: now and then a bit of it is turned over. */
  chunk(data: Uint8Array): Uint8Array {
    if (!this.#isHarmful || data.length === 0 || !this.#snapshotRandom.chance(CHUNK_IS_DAMAGED)) return data;
    const damaged = Uint8Array.from(data);
    const at = this.#snapshotRandom.integer(0, data.length - 1);
    damaged[at] = (damaged[at] ?? 0) ^ (1 << this.#snapshotRandom.integer(0, 7));
    return damaged;
  }

  #harmSnapshots(): void {
    if (!this.#harmsSnapshots) return;
    this.#isHarmful = true;
    const rules: readonly FaultRule[] = [
      { operations: ['write'], fault: 'ENOSPC', isPartial: true, probability: SNAPSHOT_WRITE_FAILS },
      { operations: ['datasync'], fault: 'EIO', probability: SNAPSHOT_SYNC_FAILS },
    ];
    const removals = rules.map((rule) => this.#disk.inject({ ...rule, path: PARTIAL_SNAPSHOT }));
    this.#removeSnapshotFaults = () => removals.forEach((remove) => remove());
  }

  #later(turn: () => void): void {
    const delayMs = Math.min(this.random.next() * OPERATION_MS * this.#slowness, 1_000);
    this.events.after(delayMs, () => {
      if (this.hold?.(turn) !== true) turn();
    });
  }
}

/** The error comes of a write that failed. */
export function isDiskFault(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if ('code' in at && at.code === 'EIO') return true;
  return error instanceof Error && error.message.includes('EIO');
}
