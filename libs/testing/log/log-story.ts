import { BLOCK_BYTES, decodeFileHeader } from '@streamline/core/journal/format';
import type { LogConfig } from '@streamline/core/log/log-config';
import type { LeaderEpoch, Offset } from '@streamline/core/types/ids';
import { crc32c } from '@streamline/runtime/journal/crc32c';
import { readIncarnation } from '@streamline/runtime/log/incarnation-marker';
import type { LogEngine } from '@streamline/runtime/log/log-engine';
import type { OpenedLogEngine } from '@streamline/runtime/log/open-log-engine';
import type { LogLimits } from '@streamline/runtime/log/log-limits';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { DiskCounters } from '@streamline/testing/disk/disk-counters';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { TEST_DIRECTORY, TEST_LOG_CONFIG, checkedBatch, openTestEngine, testKey } from './log-fixtures';
import { LogVerifier, LogViolation } from './log-verifier';
import type { Ending } from './log-verifier';
import { PartitionLife, PartitionModel } from './partition-model';
import { StoryReaders } from './story-readers';

const PARTITIONS = 4;
const PRODUCERS = 2;

/** What the stories met; a spec asserts that none of them stays at zero. */
export class LogStoryCounters {
  lives = 0;
  batchesSent = 0;
  batchesVerified = 0;
  batchesReplayed = 0;
  batchesBuried = 0;
  duplicates = 0;
  truncations = 0;
  deletions = 0;
  recreations = 0;
  startsMoved = 0;
  retentionRuns = 0;
  durabilityChanges = 0;
  checkpoints = 0;
  /** Lives in which the catalogue's syncs do not end from some step on. */
  heldCheckpoints = 0;
  tornGroups = 0;
  recycledFiles = 0;
  rolledSegments = 0;
  pageCacheKept = 0;
  cleanStops = 0;
  /** Stops that did not sync all page-cache partitions in time, or failed to. */
  hurriedStops = 0;
  /** Of clean ones. */
  powerLossesAfterStops = 0;
  crashesWhileOpening = 0;
  refusedAppends = 0;
  reads = 0;
  offlineReplicas = 0;
  fatal = 0;
  faultRounds = 0;
}

/** How a test changes what the engine gets. */
export interface LogStoryPorts {
  readonly disk?: (disk: Disk) => Disk;
}

/**
 * One seed's story: lives of a storage role, one after the other on what the last one left on the disk, with everything that happens to
 * partitions and to disks. Throws a LogViolation that says what was lost, changed or made up.
 */
export class LogStory {
  private readonly random: SeededRandom;
  private readonly clock = new VirtualClock();
  private disk: MemoryDisk;
  private readonly models: PartitionModel[];
  private readonly limits: Partial<LogLimits>;
  /** Without page-cache partitions recovery leaves everything to the first checkpoint (LOG-14). */
  private readonly flushMessages: readonly number[];
  private readonly readers = new StoryReaders();
  private readonly sequences = new Map<string, { epoch: number; next: number }>();
  private boot = 1;
  private ending: Ending = 'clean';
  private faulty = false;
  private unsure = false;
  private epoch = 0;
  private life = 0;
  /** Where syncs of the catalogue did not end: mostly a kill follows, and a power loss before the next process has one of its own. */
  private held: 'no' | 'now' | 'before' = 'no';

  constructor(
    seed: number,
    private readonly counters: LogStoryCounters,
    diskCounters: DiskCounters,
    private readonly ports: LogStoryPorts = {},
  ) {
    this.random = new SeededRandom(seed);
    this.disk = new MemoryDisk({ random: this.random.fork(), counters: diskCounters });
    this.models = Array.from({ length: PARTITIONS }, (_, at) => new PartitionModel(testKey(1 + (at >> 1), at % 2)));
    this.flushMessages = this.random.chance(0.2) ? [1] : [1, 1, 1, 10, 1_000_000];
    this.limits = {
      tailCacheBytes: this.random.pick([2_000, 20_000, 1 << 20]),
      slabBytes: this.random.pick([700, 4_000, 1 << 20]),
      writeRunBytes: this.random.pick([500, 3_000, 1 << 20]),
      unwrittenBytes: this.random.pick([1_000, 10_000, 1 << 20]),
      maxOpenFiles: this.random.pick([2, 4, 100]),
      parallelOpens: this.random.pick([1, 2, 64]),
      checkpointStepBytes: this.random.pick([4_000, 20_000, 1 << 20]),
      syncStepBytes: this.random.pick([500, 3_000, 1 << 20]),
      checkpointIntervalMs: 500,
      pageCacheUnsyncedBytes: this.random.pick([3_000, 1 << 20]),
      indexCacheBytes: this.random.pick([100, 1 << 20]),
      publishedTogether: this.random.pick([1, 2, 1000]),
      stopSyncBytes: this.random.pick([0, 0, 2_000]),
      stopSyncMs: this.random.pick([0, 40, 500]),
    };
  }

  async run(): Promise<void> {
    const lives = this.random.integer(2, 5);
    for (let at = 0; at < lives; at += 1) await this.live();
    const { engine } = await this.openVerified();
    await this.close(engine);
    this.counters.recycledFiles += recycledFiles(this.disk);
    this.counters.rolledSegments += this.disk.filePaths().filter((path) => /\/0*[1-9]\d*\.log$/.test(path)).length;
  }

  private close(engine: LogEngine): Promise<void> {
    return this.whileTimePasses(engine.close(this.random.pick([0, 40, 200, 60_000])));
  }

  /** Waits for a task that may wait for a timer: a full journal for a checkpoint, say. */
  private async whileTimePasses(task: Promise<void>): Promise<void> {
    const { life } = this;
    let ended = false;
    const ending = task.finally(() => (ended = true));
    // Whether it fails is looked at below; meanwhile nobody waits for it.
    ending.catch(() => undefined);
    while (!ended && life === this.life) {
      this.clock.advance(20);
      await turns(3);
    }
    await ending;
  }

  private async openVerified(): Promise<OpenedLogEngine> {
    const opened = await this.open();
    await this.verify(opened.engine);
    return opened;
  }

  private async live(): Promise<void> {
    this.counters.lives += 1;
    this.life += 1;
    const { disk } = this;
    if (this.random.chance(0.1)) {
      const stopped = disk.stopAfter(this.random.integer(0, 60));
      const opened = await Promise.race([this.openVerified(), stopped]);
      if (opened === undefined) {
        this.counters.crashesWhileOpening += 1;
        this.end(disk);
        return;
      }
      await this.work(opened.engine, disk, stopped);
      return;
    }
    const opened = await this.openVerified();
    this.injectFaults(disk);
    const operations = this.held === 'before' ? this.random.integer(1, 60) : this.random.integer(1, 250);
    const stopped = this.random.chance(0.7) ? disk.stopAfter(operations) : undefined;
    await this.work(opened.engine, disk, stopped);
  }

  private async open(): Promise<OpenedLogEngine> {
    const disk = this.ports.disk?.(this.disk) ?? this.disk;
    const opened = await openTestEngine({
      disk,
      clock: this.clock,
      random: this.random.fork(),
      bootId: `boot-${this.boot}`,
      limits: this.limits,
    });
    const { recovery } = opened;
    this.counters.batchesReplayed += recovery.batchesApplied;
    this.counters.batchesBuried += recovery.batchesBuried;
    if (recovery.journal.tornBytes > 0) this.counters.tornGroups += 1;
    if (recovery.pageCacheBytesKept > 0) this.counters.pageCacheKept += 1;
    return opened;
  }

  private async verify(engine: LogEngine): Promise<void> {
    const verifier = new LogVerifier(engine, this.ending, this.faulty || this.unsure);
    for (const model of this.models) await verifier.verify(model);
    this.counters.batchesVerified += verifier.batches;
    this.counters.offlineReplicas += verifier.offline;
    for (const model of this.models)
      if (engine.get(model.key)?.offlineReason !== undefined) await this.whileTimePasses(engine.delete(model.key));
    this.forgetSequences();
    this.faulty = false;
  }

  /** Producers go on where the log says they are. */
  private forgetSequences(): void {
    for (const model of this.models) this.rereadSequences(model);
  }

  private rereadSequences(model: PartitionModel): void {
    const partition = this.models.indexOf(model);
    for (let producer = 0; producer < PRODUCERS; producer += 1) this.sequences.delete(`${partition}/${producer}`);
    for (const producer of model.current?.log.producers() ?? []) {
      this.sequences.set(`${partition}/${producer.producerId}`, {
        epoch: producer.producerEpoch,
        next: producer.lastSequence + 1,
      });
    }
  }

  private injectFaults(disk: MemoryDisk): void {
    if (!this.random.chance(0.25)) return;
    this.faulty = true;
    this.counters.faultRounds += 1;
    const path = /partitions|catalogue/;
    const after = this.random.integer(0, 20);
    const times = this.random.integer(1, 3);
    const drawn = this.random.integer(0, 4);
    // What a failed write or sync left in the page cache is readable after a kill, and lost by a power loss at any later time.
    if (drawn <= 3) this.unsure = true;
    if (drawn <= 1) disk.inject({ operations: ['datasync'], path, fault: 'EIO', after, times });
    else if (drawn === 2) disk.inject({ operations: ['write'], path, fault: 'EIO', isPartial: true, after, times });
    else if (drawn === 3)
      disk.inject({ operations: ['write', 'datasync'], path, fault: 'ENOSPC', isPartial: true, after, times: times * 4 });
    else disk.inject({ operations: ['durableWrite'], fault: 'EIO', isPartial: true, after });
  }

  private async work(engine: LogEngine, disk: MemoryDisk, stopped: Promise<void> | undefined): Promise<void> {
    const { life } = this;
    engine.onStable((logs) => {
      if (life !== this.life) return;
      for (const log of logs) for (const model of this.models) if (model.current?.log === log) model.current.stable();
    });
    const fatal = new Promise<void>((resolve) =>
      engine.onFatal(() => {
        this.counters.fatal += 1;
        resolve();
      }),
    );
    const closed = this.steps(engine, disk, life).then(async (goOn): Promise<'clean' | undefined> => {
      if (life !== this.life || !this.random.chance(0.3)) return undefined;
      goOn();
      await this.close(engine);
      return 'clean';
    });
    const failed = closed.catch((error: unknown) => {
      if (error instanceof LogViolation || !this.faulty) throw error;
      return undefined;
    });
    const how = await Promise.race([failed, fatal, stopped ?? new Promise<never>(() => undefined)]);
    this.readers.check();
    this.readers.forget();
    if (how === 'clean') {
      this.noteStarts();
      await this.stopped(disk);
      return;
    }
    this.end(disk);
  }

  /** A stop that calls itself clean left everything on the disk or in the journal: a power loss takes nothing. */
  private async stopped(disk: MemoryDisk): Promise<void> {
    this.life += 1;
    this.held = 'no';
    const power = this.random.chance(0.4);
    if (power) this.boot += 1;
    this.disk = power ? disk.crash() : disk.kill();
    refuseMisuse(disk);
    const marker = await readIncarnation(this.disk, TEST_DIRECTORY);
    const certain = marker?.clean === true && !this.unsure;
    if (marker?.clean === true) this.counters.cleanStops += 1;
    else this.counters.hurriedStops += 1;
    if (power && certain) this.counters.powerLossesAfterStops += 1;
    this.ending = power && !certain ? 'power' : 'clean';
  }

  private noteStarts(): void {
    for (const model of this.models) for (const life of model.lives) life.observeStart();
  }

  private end(disk: MemoryDisk): void {
    this.noteStarts();
    this.life += 1;
    const power = this.random.chance({ no: 0.6, now: 0.2, before: 0.9 }[this.held]);
    this.held = this.held === 'now' ? 'before' : 'no';
    // What was written under one boot may be lost by any later power loss, but not by the one before it.
    this.ending = power || this.ending === 'power' ? (power ? 'power' : this.ending) : 'kill';
    if (power) this.boot += 1;
    this.disk = power ? disk.crash() : disk.kill();
    refuseMisuse(disk);
  }

  /** Returns how to let checkpoints go on. */
  private async steps(engine: LogEngine, disk: MemoryDisk, life: number): Promise<() => void> {
    this.ending = 'clean';
    const steps = this.random.integer(5, 60);
    const holdAt = this.random.chance(0.3) ? this.random.integer(0, steps) : Infinity;
    let goOn = (): void => undefined;
    let ended = false;
    for (let step = 0; step < steps && life === this.life; step += 1) {
      // The first checkpoint of a process writes a new file: only a later one leaves a frame.
      if (step === holdAt) {
        this.inBackground(engine.checkpoint(), life, () => {
          if (!ended) goOn = this.holdCheckpoints(disk);
        });
      }
      this.step(engine, life);
      this.clock.advance(this.random.pick([0, 0, 1, 20, 300]));
      await turns(this.random.pick([0, 1, 3, 10, 30]));
      this.noteStarts();
    }
    ended = true;
    return goOn;
  }

  /** No sync of the catalogue ends from now on: after a kill its last frame is readable, and lost by a later power loss. */
  private holdCheckpoints(disk: MemoryDisk): () => void {
    this.counters.heldCheckpoints += 1;
    this.held = 'now';
    return disk.inject({ operations: ['datasync'], path: /catalogue/, fault: 'hold' });
  }

  private step(engine: LogEngine, life: number): void {
    const model = this.random.pick(this.models);
    this.readers.check();
    if (this.random.chance(0.3)) this.counters.reads += this.readers.read(model.current, this.random);
    const drawn = this.random.next();
    if (drawn < 0.6) this.appendSome(engine, model);
    else if (drawn < 0.66) this.truncate(model, life);
    else if (drawn < 0.7) this.remove(engine, model, life);
    else if (drawn < 0.76) this.moveStart(model, life);
    else if (drawn < 0.82) this.reconfigure(model);
    else if (drawn < 0.87) this.startEpoch(model);
    else if (drawn < 0.93) this.inBackground(engine.checkpoint(), life, () => (this.counters.checkpoints += 1));
    else if (drawn < 0.97) this.inBackground(engine.runRetention(), life, () => (this.counters.retentionRuns += 1));
    else this.resend(model);
  }

  private config(): LogConfig {
    return {
      ...TEST_LOG_CONFIG,
      segmentBytes: this.random.pick([600, 3_000, 1 << 20]),
      indexIntervalBytes: this.random.pick([100, 4096]),
      flushMessages: this.random.pick(this.flushMessages),
      flushMs: this.random.pick([100, Number.MAX_SAFE_INTEGER]),
      retentionBytes: this.random.pick([-1, -1, 2_000]),
      fileDeleteDelayMs: this.random.pick([0, 300]),
    };
  }

  private lifeOf(engine: LogEngine, model: PartitionModel): PartitionLife | undefined {
    if (model.current !== undefined) return model.current;
    if (model.lives.length > 3) return undefined;
    const config = this.config();
    if (model.lives.length > 0) this.counters.recreations += 1;
    const life = new PartitionLife(engine.open(model.key, config), config);
    model.lives.push(life);
    for (let producer = 0; producer < PRODUCERS; producer += 1)
      this.sequences.delete(`${this.models.indexOf(model)}/${producer}`);
    return life;
  }

  private appendSome(engine: LogEngine, model: PartitionModel): void {
    const life = this.lifeOf(engine, model);
    if (life === undefined) return;
    const count = this.random.integer(1, 6);
    for (let at = 0; at < count; at += 1) {
      if (engine.headroomBytes <= 0) return;
      this.append(model, life);
    }
  }

  private append(model: PartitionModel, life: PartitionLife): void {
    const { log } = life;
    const producerId = this.random.chance(0.5) ? this.random.integer(0, PRODUCERS - 1) : -1;
    const name = `${this.models.indexOf(model)}/${producerId}`;
    const sequence = this.sequences.get(name) ?? { epoch: 0, next: 0 };
    if (producerId >= 0 && this.random.chance(0.05)) {
      sequence.epoch += 1;
      sequence.next = 0;
    }
    const records = Array.from({ length: this.random.integer(1, 3) }, () => ({
      value: this.random.bytes(this.random.integer(1, this.random.pick([20, 200, 2500]))),
    }));
    const batch = checkedBatch({
      records,
      timestamp: this.clock.wallMs(),
      ...(producerId >= 0 ? { producerId, producerEpoch: sequence.epoch, baseSequence: sequence.next } : {}),
    });
    const epoch = log.leaderEpoch;
    const outcome = log.append(batch);
    if (outcome.kind === 'refused') {
      this.counters.refusedAppends += 1;
      if (outcome.errorCode !== 56)
        throw new LogViolation(`append refused with ${outcome.errorCode}: ${outcome.message}, the window is changed`);
      return;
    }
    if (outcome.kind === 'duplicate') throw new LogViolation('a new batch was taken for a duplicate: lost');
    this.counters.batchesSent += 1;
    if (producerId >= 0) this.sequences.set(name, { epoch: sequence.epoch, next: sequence.next + records.length });
    const bytes = Buffer.from(batch.bytes);
    bytes.writeBigInt64BE(BigInt(outcome.baseOffset), 0);
    bytes.writeInt32BE(epoch, 12);
    life.batches.push({
      baseOffset: outcome.baseOffset,
      lastOffset: outcome.lastOffset,
      epoch,
      bytes,
      producerId,
      producerEpoch: sequence.epoch,
      firstSequence: sequence.next,
      lastSequence: sequence.next + records.length - 1,
      mode: life.config.flushMessages <= 1 ? 'fsync' : 'page-cache',
      acked: 'no',
    });
  }

  /** A client that got no answer sends its last batch again. */
  private resend(model: PartitionModel): void {
    const life = model.current;
    const last = life?.batches.at(-1);
    if (life === undefined || last === undefined || last.producerId < 0 || last.baseOffset < life.rememberedFrom) return;
    const outcome = life.log.append({ bytes: Buffer.from(last.bytes), header: readBatchHeader(last.bytes) });
    if (outcome.kind === 'duplicate') this.counters.duplicates += 1;
    else if (outcome.kind === 'appended')
      throw new LogViolation(`offset ${last.baseOffset} sent again was appended again: made up`);
  }

  private truncate(model: PartitionModel, life: number): void {
    const current = model.current;
    if (current === undefined || current.truncating || current.batches.length === 0) return;
    const victim = this.random.pick(current.batches);
    if (victim.baseOffset < current.log.logStartOffset) return;
    current.truncating = true;
    current.rememberedFrom = Math.max(current.rememberedFrom, current.log.logStartOffset);
    const cutAt = current.batches.indexOf(victim);
    const truncated = current.log.truncateTo(victim.baseOffset as Offset);
    // From now on either outcome is right until the promise says which.
    const cut = current.batches.splice(cutAt);
    current.buried = cut.map((batch) => ({ ...batch, acked: 'no' as const }));
    const restore = (): void => {
      // A replica that was given up may come back with either state, or not at all.
      if (current.log.offlineReason !== undefined) return;
      current.buried = [];
      current.truncating = false;
      current.batches.push(...cut);
    };
    this.inBackground(
      truncated,
      life,
      () => {
        current.buried = [];
        current.truncating = false;
        this.rereadSequences(model);
        this.counters.truncations += 1;
      },
      restore,
    );
  }

  private remove(engine: LogEngine, model: PartitionModel, life: number): void {
    const current = model.current;
    if (current === undefined) return;
    current.deletion = 'asked';
    this.inBackground(engine.delete(model.key), life, () => {
      current.deletion = 'done';
      this.counters.deletions += 1;
    });
  }

  private moveStart(model: PartitionModel, life: number): void {
    const current = model.current;
    if (current === undefined || current.truncating || current.batches.length === 0 || current.log.offlineReason !== undefined)
      return;
    const target = this.random.pick(current.batches).lastOffset + 1;
    if (target > current.log.stableEndOffset || target <= current.log.logStartOffset) return;
    current.maxStart = Math.max(current.maxStart, target);
    this.inBackground(current.log.advanceLogStart(target as Offset), life, () => {
      current.ackedStart = Math.max(current.ackedStart, target);
      this.counters.startsMoved += 1;
    });
  }

  private reconfigure(model: PartitionModel): void {
    const current = model.current;
    if (current === undefined || current.truncating) return;
    const config = this.config();
    if (config.flushMessages <= 1 !== current.config.flushMessages <= 1) this.counters.durabilityChanges += 1;
    current.config = config;
    if (config.flushMessages > 1) for (const batch of current.batches) if (batch.acked === 'no') batch.mode = 'page-cache';
    current.log.configure(config);
  }

  private startEpoch(model: PartitionModel): void {
    this.epoch += 1;
    model.current?.log.startEpoch(this.epoch as LeaderEpoch);
  }

  private inBackground(task: Promise<unknown>, life: number, done: () => void, failed: () => void = () => undefined): void {
    task.then(
      () => {
        if (life === this.life) done();
      },
      () => {
        if (life === this.life) failed();
      },
    );
  }
}

function refuseMisuse(disk: MemoryDisk): void {
  if (disk.misuse !== undefined) throw new LogViolation(`${disk.misuse.message}: changed`);
}

/** Uses of journal files beyond the first of each. */
function recycledFiles(disk: MemoryDisk): number {
  let sequences = 0;
  let files = 0;
  for (const path of disk.filePaths()) {
    if (!path.endsWith('.journal')) continue;
    const block = decodeFileHeader(disk.contentOf(path).subarray(0, BLOCK_BYTES), crc32c);
    if (block.kind !== 'used') continue;
    files += 1;
    sequences = Math.max(sequences, block.header.sequence);
  }
  return Math.max(sequences - files, 0);
}

/** Lets so many turns of the event loop pass. */
async function turns(count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
