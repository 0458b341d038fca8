import type { Offset } from '@streamline/core/types/ids';
import type { LogEngine, PartitionLog } from '@streamline/runtime/log/log-engine';
import { LogError } from '@streamline/runtime/log/log-error';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { PartitionLife } from './partition-model';
import type { PartitionModel, SentBatch } from './partition-model';

const REMEMBERED = 5;

/** What may be gone: a power loss takes what was only written. */
export type Ending = 'power' | 'kill' | 'clean';

/** Something the log did that it must never do. */
export class LogViolation extends Error {
  override readonly name = 'LogViolation';
}

/** Every batch of a log from its start on, in order. */
export async function readAll(log: PartitionLog, maxBytes: number): Promise<Buffer[]> {
  const found: Buffer[] = [];
  let offset: number = log.logStartOffset;
  while (offset < log.logEndOffset) {
    const { chunks } = await log.read(offset as Offset, { maxBytes, minOneBatch: true, upTo: log.logEndOffset });
    if (chunks.length === 0) throw new LogViolation(`nothing is read at ${offset}, below the end ${log.logEndOffset}: lost`);
    for (const chunk of chunks) {
      for (const batch of batchesIn(chunk)) {
        const header = readBatchHeader(batch);
        found.push(batch);
        offset = header.baseOffset + header.lastOffsetDelta + 1;
      }
    }
  }
  return found;
}

/** Compares what came back after a restart with what the clients know, and brings the model up to what was found. */
export class LogVerifier {
  offline = 0;
  /** Batches that were found as they had been acknowledged. */
  batches = 0;

  constructor(
    private readonly engine: LogEngine,
    private readonly ending: Ending,
    /** Faults were injected, so a replica may have been given up. */
    private readonly mayBeOffline: boolean,
  ) {}

  async verify(model: PartitionModel): Promise<void> {
    const log = this.engine.get(model.key);
    const name = `${model.key.topicId}-${model.key.partition}`;
    const found = await this.read(log);
    if (found === undefined || log?.offlineReason !== undefined) {
      if (!this.mayBeGivenUp(model, log?.offlineReason ?? ''))
        throw new LogViolation(`${name} is offline without a fault: ${log?.offlineReason}, all of it lost`);
      this.offline += 1;
      model.lives = [];
      return;
    }
    const life = this.lifeFound(model, log, found, name);
    if (life === undefined || log === undefined) {
      model.lives = [];
      return;
    }
    this.verifyStart(life, log, name);
    const kept = this.verifyBatches(life, log, found, name);
    this.batches += kept.filter((batch) => this.mustSurvive(batch)).length;
    this.verifyEpochs(log, kept, name);
    this.verifyProducers(
      log,
      kept.filter((batch) => batch.baseOffset >= life.rememberedFrom),
      name,
    );
    model.lives = [this.livesOn(life, log, kept)];
  }

  /** After a fault a replica may be given up; a journaled one only where that was said before its batches were lost (S-9). */
  private mayBeGivenUp(model: PartitionModel, reason: string): boolean {
    if (!this.mayBeOffline) return false;
    if (/not durable|cannot be cut/.test(reason)) return true;
    return model.lives.some((life) => life.config.flushMessages > 1 || life.batches.some((batch) => batch.mode === 'page-cache'));
  }

  /** Undefined where the replica turns out to be damaged. */
  private async read(log: PartitionLog | undefined): Promise<Buffer[] | undefined> {
    if (log === undefined) return [];
    try {
      return log.offlineReason === undefined ? await readAll(log, 700) : undefined;
    } catch (error) {
      if (error instanceof LogError && error.kind === 'offline') return undefined;
      throw error;
    }
  }

  /** Which life the log on the disk is of. */
  private lifeFound(
    model: PartitionModel,
    log: PartitionLog | undefined,
    found: readonly Buffer[],
    name: string,
  ): PartitionLife | undefined {
    for (const life of [...model.lives].reverse()) {
      const last = life === model.lives.at(-1);
      const fits = log !== undefined && this.fits(life, log, found);
      if (fits && life.deletion !== 'done') return life;
      if (life.deletion === 'no' && (this.mustBeThere(life) || !last)) {
        throw new LogViolation(
          `${name}: acknowledged batches are lost or changed: ${describe(found)} found, ${describe(life.batches.map((batch) => batch.bytes))} sent`,
        );
      }
      if (life.deletion === 'done') break;
    }
    if (found.length > 0) throw new LogViolation(`${name}: ${describe(found)} made up, or of a life that was deleted`);
    return undefined;
  }

  private mustBeThere(life: PartitionLife): boolean {
    return life.batches.some((batch) => this.mustSurvive(batch) && batch.lastOffset >= life.maxStart);
  }

  private mustSurvive(batch: SentBatch): boolean {
    return batch.acked === 'durable' || (batch.acked === 'written' && this.ending !== 'power');
  }

  private fits(life: PartitionLife, log: PartitionLog, found: readonly Buffer[]): boolean {
    const expected = [...life.batches, ...life.buried].filter((batch) => batch.lastOffset >= log.logStartOffset);
    const must = life.batches.filter((batch) => this.mustSurvive(batch) && batch.lastOffset >= log.logStartOffset).length;
    return (
      log.logStartOffset <= life.maxStart && found.length >= must && found.every((bytes, at) => expected[at]?.bytes.equals(bytes))
    );
  }

  private verifyStart(life: PartitionLife, log: PartitionLog, name: string): void {
    if (log.logStartOffset < life.ackedStart && life.buried.length === 0) {
      throw new LogViolation(
        `${name}: the log start ${life.ackedStart} was acknowledged and is lost, it is ${log.logStartOffset}`,
      );
    }
  }

  /** The batches that are left, those below the log's start too as far as they are certain. */
  private verifyBatches(life: PartitionLife, log: PartitionLog, found: readonly Buffer[], name: string): SentBatch[] {
    const all = [...life.batches, ...life.buried];
    const below = all.filter((batch) => batch.lastOffset < log.logStartOffset);
    const uncertain = below.findLastIndex((batch) => !this.mustSurvive(batch));
    const kept = all.slice(uncertain + 1, below.length + found.length);
    const end = kept.at(-1)?.lastOffset ?? -1;
    if (found.length > 0 && log.logEndOffset !== end + 1) {
      throw new LogViolation(`${name}: the end is ${log.logEndOffset}, the last batch ends at ${end}: made up`);
    }
    return kept;
  }

  private verifyEpochs(log: PartitionLog, kept: readonly SentBatch[], name: string): void {
    for (const batch of kept) {
      if (batch.baseOffset < log.logStartOffset || batch.epoch < 0) continue;
      const epoch = log.epochOf(batch.baseOffset as Offset);
      if (epoch !== batch.epoch)
        throw new LogViolation(`${name}: epoch ${batch.epoch} of offset ${batch.baseOffset} is lost, it says ${epoch}`);
    }
  }

  private verifyProducers(log: PartitionLog, kept: readonly SentBatch[], name: string): void {
    const windows = new Map<number, SentBatch[]>();
    for (const batch of kept) {
      if (batch.producerId < 0) continue;
      const window = windows.get(batch.producerId) ?? [];
      const same = window[0] === undefined || window[0].producerEpoch === batch.producerEpoch ? window : [];
      windows.set(batch.producerId, [...same, batch].slice(-REMEMBERED));
    }
    for (const [producerId, window] of windows) {
      const known = log.producers().find((producer) => producer.producerId === producerId);
      const last = window.at(-1);
      if (known?.lastSequence !== last?.lastSequence || known?.producerEpoch !== last?.producerEpoch) {
        throw new LogViolation(
          `${name}: producer ${producerId} is at ${last?.lastSequence}, what it knows (${known?.lastSequence}) is lost or made up`,
        );
      }
      for (const batch of window) this.verifyDuplicate(log, batch, name);
    }
  }

  private verifyDuplicate(log: PartitionLog, batch: SentBatch, name: string): void {
    const outcome = log.append({ bytes: Buffer.from(batch.bytes), header: readBatchHeader(batch.bytes) });
    if (outcome.kind !== 'duplicate' || outcome.baseOffset !== batch.baseOffset) {
      throw new LogViolation(
        `${name}: the window of producer ${batch.producerId} lost offset ${batch.baseOffset}: ${JSON.stringify(outcome)}`,
      );
    }
  }

  /** What recovery showed is durable from here on (S-8). */
  private livesOn(life: PartitionLife, log: PartitionLog, kept: readonly SentBatch[]): PartitionLife {
    const next = new PartitionLife(this.engine.open(log.key, life.config), life.config);
    // A sync that failed before a kill leaves pages that are readable for good and never get to the disk.
    const certain = !this.mayBeOffline || life.config.flushMessages <= 1;
    next.batches = kept.map((batch) => ({
      ...batch,
      acked: certain || batch.acked === 'durable' ? ('durable' as const) : ('written' as const),
    }));
    next.rememberedFrom = life.rememberedFrom;
    next.ackedStart = next.maxStart = log.logStartOffset;
    return next;
  }
}

function describe(batches: readonly Buffer[]): string {
  return `[${batches.map((bytes) => readBatchHeader(bytes).baseOffset).join(' ')}]`;
}
