import { decodeFileHeader } from '@streamline/core/journal/format';
import { crc32c } from '@streamline/runtime/journal/crc32c';
import { JournalDamagedError } from '@streamline/runtime/journal/journal-error';
import type { JournalOptions } from '@streamline/runtime/journal/journal-options';
import { openJournal } from '@streamline/runtime/journal/open-journal';
import type { OpenedJournal } from '@streamline/runtime/journal/open-journal';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { Journal, JournalPosition } from '@streamline/runtime/ports/journal';
import type { Random } from '@streamline/runtime/ports/random';
import type { DiskCounters } from '@streamline/testing/disk/disk-counters';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';

const DIRECTORY = '/journal';
const BLOCK = 4096;

/** What a story met; a spec asserts that none of them stays at zero. */
export class StoryCounters {
  lives = 0;
  powerLosses = 0;
  kills = 0;
  cleanStops = 0;
  failedWrites = 0;
  recordsAppended = 0;
  recordsReplayed = 0;
  tornGroups = 0;
  rewrittenGroups = 0;
  recycledFiles = 0;
  seals = 0;
  crashesWhileOpening = 0;
  fullRings = 0;
  flippedBits = 0;
  refusals = 0;
}

/** A bug that a test plants by replacing the ports that the journal gets. */
export interface PlantedPorts {
  readonly disk?: (disk: Disk) => Disk;
  readonly random?: (random: Random) => Random;
  readonly clock?: (clock: Clock) => Clock;
}

interface Appended {
  readonly type: number;
  readonly payload: Buffer;
  readonly position: number;
}

/** How a life of the process ends. */
type Ending = 'power' | 'kill' | 'clean';

/**
 * One seed's story: lives of a process that appends, waits, releases and dies, one after the other on what the last one
 * left on the disk. Throws an error that says what was lost, changed or made up.
 */
export class JournalStory {
  private readonly random: SeededRandom;
  private readonly clock = new VirtualClock();
  private disk: MemoryDisk;
  private readonly options: Omit<JournalOptions, 'disk' | 'clock' | 'random'>;
  /** All records that may be in the journal, in order. */
  private written: Appended[] = [];
  /** Everything up to it was acknowledged, or handed out by a replay. */
  private acknowledged = 0;
  private released = 0;
  /** The last life began to close the journal, so that an end mark may be there. */
  private mayBeClean = false;
  private headers = 0;
  /** The life that may act: what an earlier one left running does nothing more. */
  private life = 0;

  constructor(
    seed: number,
    private readonly counters: StoryCounters,
    diskCounters: DiskCounters,
    private readonly planted: PlantedPorts = {},
  ) {
    this.random = new SeededRandom(seed);
    this.disk = new MemoryDisk({ random: this.random.fork(), counters: diskCounters, sectorsAreAtomic: this.random.chance(0.5) });
    const groupBytesMax = this.random.pick([2, 4, 8]) * BLOCK;
    this.options = {
      directory: DIRECTORY,
      groupBytesMax,
      fileBytes: 3 * groupBytesMax + this.random.integer(6, 14) * BLOCK,
      fileCount: this.random.integer(2, 5),
      pendingBytesMax: 4 * groupBytesMax,
      reserveBytes: groupBytesMax,
      headerPayload: () => Buffer.from(`use ${(this.headers += 1)}`),
    };
  }

  async run(): Promise<void> {
    const lives = this.random.integer(2, 7);
    for (let life = 0; life < lives; life += 1) await this.live();
    const last = await this.open(this.disk);
    await this.close(last.journal);
    this.end('clean');
    this.counters.recycledFiles += this.recycledFiles();
  }

  /** Uses of files beyond the first of each. */
  private recycledFiles(): number {
    let sequences = 0;
    let files = 0;
    for (const path of this.disk.filePaths()) {
      const block = decodeFileHeader(this.disk.contentOf(path).subarray(0, BLOCK), crc32c);
      if (block.kind !== 'used') continue;
      files += 1;
      sequences = Math.max(sequences, block.header.sequence);
    }
    return Math.max(sequences - files, 0);
  }

  private async live(): Promise<void> {
    this.counters.lives += 1;
    const { disk } = this;
    if (this.random.chance(0.15)) {
      const stopped = disk.stopAfter(this.random.integer(0, 40));
      const opened = await Promise.race([this.open(disk).then((it) => it.journal), stopped]);
      if (opened === undefined) {
        this.counters.crashesWhileOpening += 1;
        this.end('power');
        return;
      }
      await this.work(opened, stopped);
      return;
    }
    const { journal } = await this.open(disk);
    if (this.random.chance(0.1))
      disk.inject({ operations: ['durableWrite'], fault: 'EIO', isPartial: true, after: this.random.integer(0, 10) });
    const stopped = this.random.chance(0.6) ? disk.stopAfter(this.random.integer(1, 60)) : undefined;
    await this.work(journal, stopped);
  }

  /** Works until the machine stops, the journal fails, or the work is done. */
  private async work(journal: Journal, stopped: Promise<void> | undefined): Promise<void> {
    const { life } = this;
    journal.onDurable((durable) => {
      if (life === this.life) this.acknowledged = Math.max(this.acknowledged, durable);
    });
    let failed = false;
    const failure = new Promise<void>((resolve) => {
      journal.onFailure(() => {
        failed = true;
        this.counters.failedWrites += 1;
        resolve();
      });
    });
    journal.onPressure((upTo) => {
      if (this.random.chance(0.7)) this.release(journal, upTo);
    });
    const done = this.random.chance(0.3)
      ? this.steps(journal).then(() => this.stopCleanly(journal))
      : this.steps(journal).then(() => undefined);
    const ending = await Promise.race([
      done.catch((error: unknown) => this.expectFailure(error, failed)),
      failure,
      stopped ?? never(),
    ]);
    this.end(ending === 'clean' ? 'clean' : this.random.pick(['power', 'kill'] as const));
  }

  private async steps(journal: Journal): Promise<void> {
    const steps = this.random.integer(1, 12);
    const { life } = this;
    for (let step = 0; step < steps && life === this.life; step += 1) {
      const drawn = this.random.next();
      if (drawn < 0.55) await this.appendBurst(journal);
      else if (drawn < 0.75) await this.flush(journal);
      else if (drawn < 0.9) this.release(journal, this.random.integer(this.released, this.acknowledged + 1));
      else await this.beIdle(journal);
    }
    if (this.random.chance(0.5)) await this.flush(journal);
  }

  private async appendBurst(journal: Journal): Promise<void> {
    const count = this.random.integer(1, 6);
    for (let i = 0; i < count; i += 1) {
      if (journal.headroomBytes <= 0) {
        await this.flush(journal);
        if (journal.headroomBytes <= 0) return;
      }
      const payload = this.payload(journal.recordBytesMax);
      const type = this.random.integer(1, 127);
      const cut = this.random.integer(0, payload.length);
      const last = payload.subarray(cut);
      const position = journal.append(
        type,
        [payload.subarray(0, cut), last],
        this.random.chance(0.5) ? crc32c(last, 0) : undefined,
      );
      this.written.push({ type, payload, position });
      this.counters.recordsAppended += 1;
    }
  }

  /** Some are empty, most small, some as large as may be; some are what an attacker would send: images of the journal itself. */
  private payload(max: number): Buffer {
    const drawn = this.random.next();
    if (drawn < 0.1) return this.disk.contentOf(this.random.pick(this.disk.filePaths())).subarray(BLOCK - 72, BLOCK - 72 + max);
    const bytes = drawn < 0.2 ? max - this.random.integer(0, 100) : this.random.integer(0, drawn < 0.6 ? 200 : 6000);
    return this.random.bytes(Math.min(Math.max(bytes, 0), max));
  }

  private release(journal: Journal, upTo: number): void {
    const redo = Math.min(upTo, this.acknowledged + 1);
    this.released = Math.max(this.released, redo);
    journal.release(redo as JournalPosition);
  }

  private async beIdle(journal: Journal): Promise<void> {
    await this.flush(journal);
    const { life } = this;
    this.clock.advance(250);
    await turns(6);
    if (life !== this.life) return never();
    this.counters.seals += 1;
  }

  /** Waits for durability; where the ring is full, the owner that is played here has to release what it can. */
  private async flush(journal: Journal): Promise<void> {
    const { life } = this;
    let isSettled = false;
    const flushed = journal.flush().finally(() => {
      isSettled = true;
    });
    flushed.catch(() => undefined);
    for (let turn = 0; !isSettled; turn += 1) {
      await turns(1);
      if (life !== this.life) return never();
      if (turn % 50 !== 49) continue;
      this.counters.fullRings += 1;
      this.release(journal, this.acknowledged + 1);
      if (turn > 5000) throw new Error('the journal makes no progress though everything is released');
    }
    await flushed;
  }

  private async stopCleanly(journal: Journal): Promise<Ending> {
    await this.flush(journal);
    await this.close(journal);
    return 'clean';
  }

  private close(journal: Journal): Promise<void> {
    this.mayBeClean = true;
    return journal.close();
  }

  private expectFailure(error: unknown, failed: boolean): void {
    if (!failed) throw error instanceof Error ? error : new Error(String(error));
  }

  private end(ending: Ending): void {
    this.life += 1;
    if (ending === 'kill') this.counters.kills += 1;
    if (ending === 'power') this.counters.powerLosses += 1;
    const survives = ending === 'kill' || (ending === 'clean' && this.random.chance(0.5));
    this.disk = survives ? this.disk.kill(this.random.fork()) : this.disk.crash(this.random.fork());
  }

  /** Opens what is on the disk and compares what it hands out with what may be there. */
  private async open(disk: MemoryDisk): Promise<OpenedJournal> {
    const replayed: Appended[] = [];
    const firstPass: number[] = [];
    const opened = await openJournal(
      {
        ...this.options,
        disk: this.planted.disk?.(disk) ?? disk,
        clock: this.planted.clock?.(this.clock) ?? this.clock,
        random: this.planted.random?.(this.random) ?? this.random,
        ...(this.random.chance(0.2) ? { firstPass: (record) => void firstPass.push(record.position) } : {}),
      },
      (record) => {
        replayed.push({ type: record.type, position: record.position, payload: Buffer.from(record.payload) });
      },
    );
    const { recovery } = opened;
    this.check(replayed, recovery.redo, recovery.end);
    if (firstPass.length > 0 && firstPass.join() !== replayed.map((record) => record.position).join())
      throw new Error('the passes differ');
    if (recovery.cleanStop && !recovery.isNew) {
      if (!this.mayBeClean) throw new Error('changed: the last stop was not clean, the journal says so');
      this.counters.cleanStops += 1;
    }
    this.mayBeClean = false;
    this.counters.recordsReplayed += replayed.length;
    this.counters.tornGroups += recovery.tornBytes > 0 ? 1 : 0;
    this.counters.rewrittenGroups += recovery.rewroteLastGroup ? 1 : 0;
    this.written = this.written.filter((record) => record.position <= recovery.end);
    this.acknowledged = recovery.end;
    return opened;
  }

  private check(replayed: readonly Appended[], redo: number, end: number): void {
    if (redo > this.released) throw new Error(`replay began at ${redo}, only ${this.released} was released`);
    if (end < this.acknowledged) throw new Error(`lost: ${this.acknowledged} was acknowledged, the journal ends at ${end}`);
    const expected = this.written.filter((record) => record.position >= redo && record.position <= end);
    for (const [index, record] of expected.entries()) {
      const found = replayed[index];
      if (found === undefined) throw new Error(`lost: the record at ${record.position}`);
      if (found.position !== record.position || found.type !== record.type || !found.payload.equals(record.payload)) {
        throw new Error(`changed: the record at ${record.position} came back as one at ${found.position}`);
      }
    }
    if (replayed.length > expected.length) throw new Error(`made up: a record at ${replayed[expected.length]?.position}`);
  }

  /**
   * Fills the ring to the last byte, releases it all and loses power within the next few operations: the files that the
   * release freed are begun anew just then.
   */
  async squeeze(): Promise<void> {
    const { journal } = await this.open(this.disk);
    const { life } = this;
    journal.onDurable((durable) => {
      if (life === this.life) this.acknowledged = Math.max(this.acknowledged, durable);
    });
    const file = this.options.fileBytes;
    for (let bytes = 0; bytes < (this.options.fileCount + 1) * file; bytes += journal.recordBytesMax) {
      const payload = this.random.bytes(journal.recordBytesMax);
      this.written.push({ type: 1, payload, position: journal.append(1, [payload]) });
    }
    while (this.disk.isBusy) await turns(20);
    this.counters.fullRings += 1;
    void this.disk.stopAfter(this.random.integer(1, 6));
    this.release(journal, this.acknowledged + 1);
    do await turns(20);
    while (this.disk.isBusy && !this.disk.isStopped);
    this.end('power');
    const again = await this.open(this.disk);
    await this.close(again.journal);
  }

  /** After an idle time nothing that was acknowledged may be cut (J-5): flips a bit; the journal is whole or refused. */
  async rot(): Promise<'refused' | 'whole'> {
    const { journal } = await this.open(this.disk);
    this.counters.lives += 1;
    journal.onDurable((durable) => {
      this.acknowledged = Math.max(this.acknowledged, durable);
    });
    journal.onPressure((upTo) => this.release(journal, upTo));
    await this.appendBurst(journal);
    await this.beIdle(journal);
    this.end('kill');
    const path = this.random.pick(this.disk.filePaths());
    const offset = this.random.integer(0, this.disk.contentOf(path).length / 64 - 1) * 64 + this.random.integer(0, 63);
    this.disk.flipBit(path, offset, this.random.integer(0, 7));
    this.counters.flippedBits += 1;
    try {
      const again = await this.open(this.disk);
      await this.close(again.journal);
      return 'whole';
    } catch (error) {
      if (!(error instanceof JournalDamagedError)) throw error;
      this.counters.refusals += 1;
      return 'refused';
    }
  }
}

/** Lets the event loop go round, so that operations of the disk end. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
