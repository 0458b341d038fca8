import { dirname } from 'node:path';
import { RECORD_BATCH_BYTES_MAX } from '@streamline/core/types/limits';
import { openJournal } from '../journal/open-journal';
import type { JournalOptions } from '../journal/journal-options';
import type { Clock } from '../ports/clock';
import type { Disk } from '../ports/disk';
import type { Journal, JournalRecovery } from '../ports/journal';
import type { Random } from '../ports/random';
import { Catalogue } from './catalogue';
import { Engine } from './engine';
import { IncarnationKeeper, readIncarnation } from './incarnation-marker';
import type { Incarnation } from './incarnation-marker';
import type { LogEngine, PartitionKey } from './log-engine';
import { LogError, errnoOf } from './log-error';
import { DEFAULT_LOG_LIMITS } from './log-limits';
import type { LogLimits } from './log-limits';
import { Recovery } from './recovery';
import type { RecoveryCounts } from './recovery';
import { partitionsPath } from './segment-path';

/** The journal's sizes; see `JournalOptions`. */
export type LogJournalOptions = Pick<
  JournalOptions,
  'fileBytes' | 'fileCount' | 'groupBytesMax' | 'pendingBytesMax' | 'reserveBytes' | 'sealDelayMs' | 'onGroup'
>;

/** A ring of 512 MiB; a group holds the largest batch and what stands around it. Small files, since a start reads the newest one. */
export const DEFAULT_LOG_JOURNAL: LogJournalOptions = {
  fileBytes: 32 << 20,
  fileCount: 16,
  groupBytesMax: RECORD_BATCH_BYTES_MAX + 4096,
  pendingBytesMax: 32 << 20,
};

export interface LogEngineOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** The engine's own directory; made where there is none, in a directory that exists. */
  readonly directory: string;
  /** Where the journal lies; `journal` in the engine's directory by default. */
  readonly journalDirectory?: string;
  /** Identifies this boot of the machine (Linux: /proc/sys/kernel/random/boot_id), for P-1 and P-2. */
  readonly bootId: string;
  readonly journal?: LogJournalOptions;
  readonly limits?: Partial<LogLimits>;
}

/** What was found, and what it took. */
export interface LogRecovery extends RecoveryCounts {
  /** The directory did not exist, or was empty. */
  readonly isNew: boolean;
  /** The last process stopped cleanly. */
  readonly cleanStop: boolean;
  /** The machine was not restarted since the last process that was registered ran: the page cache is what it was. */
  readonly sameBoot: boolean;
  /** Of the last process that stopped cleanly, -1 where there is none. */
  readonly brokerEpoch: number;
  /**
   * Page-cache partitions that may have lost acknowledged batches, since neither did the process stop cleanly nor is it the same boot
   * (P-2): they leave ISR and ELR where there are other replicas.
   */
  readonly atRisk: readonly PartitionKey[];
  /** Replicas that cannot be served (S-9, S-11). */
  readonly offline: readonly { readonly key: PartitionKey; readonly reason: string }[];
  readonly partitions: number;
  readonly durationMs: number;
  readonly journal: JournalRecovery;
}

export interface OpenedLogEngine {
  readonly engine: LogEngine;
  /** How full the journal is, for metrics. */
  readonly journal: Pick<Journal, 'usedBytes' | 'capacityBytes'>;
  readonly recovery: LogRecovery;
}

/** The marker is lost: the last process may have ended in any way, and the machine may have been restarted since (P-2). */
const NOTHING_KNOWN: Incarnation = { clean: false, bootId: '', brokerEpoch: -1 };

/**
 * Opens all partition logs of a directory, making it where there is none, and brings them to where they were: nothing that was
 * acknowledged is missing, nothing that was not sent is there. Ends with a full checkpoint where anything had to be recovered (S-8).
 * @throws JournalDamagedError, JournalFormatError, LogError (`damaged`): the node must not start from these files
 */
export async function openLogEngine(options: LogEngineOptions): Promise<OpenedLogEngine> {
  const { disk, clock, directory } = options;
  const startMs = clock.monotonicMs();
  const isNew = await makeDirectories(disk, directory);
  const before = (await readIncarnation(disk, directory)) ?? (isNew ? undefined : NOTHING_KNOWN);
  const { catalogue, state } = await Catalogue.open(disk, directory, options.random);
  const incarnation = new IncarnationKeeper(disk, directory, options.bootId, before);
  await incarnation.begin();
  const limits = { ...DEFAULT_LOG_LIMITS, ...options.limits };
  const parts = { disk, clock, random: options.random, directory, limits, catalogue, redo: state.redo };
  const engine = new Engine(parts, incarnation);
  const clean = before?.clean ?? state.records.size === 0;
  const recovery = new Recovery(engine, state.records.values(), state.nextSlot, state.redo, clean);
  const journalDirectory = options.journalDirectory ?? `${directory}/journal`;
  if (!clean) await catalogue.secure(state);
  await refuseLostJournal(disk, journalDirectory, state.redo, before);
  const opened = await openJournal(
    {
      ...(options.journal ?? DEFAULT_LOG_JOURNAL),
      disk,
      clock,
      random: options.random,
      directory: journalDirectory,
      ...(state.redo > 0 ? { startReplayAt: state.redo } : {}),
      firstPass: (record) => recovery.note(record),
    },
    (record) => recovery.apply(record),
  );
  refuseLostCatalogue(opened.journal, opened.recovery, state.redo, directory);
  await recovery.finish();
  engine.attach(opened.journal, recovery.plan.nextSlot);
  await engine.space.refresh();
  await engine.recovered(recovery.deletedSlots);
  const durationMs = clock.monotonicMs() - startMs;
  return { engine, journal: opened.journal, recovery: summary(engine, recovery, opened.recovery, before, options, durationMs) };
}

/** True: they were not there, and nothing ever was. */
async function makeDirectories(disk: Disk, directory: string): Promise<boolean> {
  let isNew = false;
  for (const path of [directory, partitionsPath(directory)]) {
    isNew = !(await disk.exists(path));
    if (!isNew) continue;
    try {
      await disk.makeDirectory(path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
  await disk.syncDirectory(directory);
  await disk.syncDirectory(dirname(directory));
  return isNew;
}

/**
 * A journal is never begun anew where the catalogue has used it, since positions in it would mean other records than those in
 * the catalogue; nor where a process has stopped cleanly before, which may have left batches to its replay.
 */
async function refuseLostJournal(
  disk: Disk,
  journalDirectory: string,
  redo: number,
  before: Incarnation | undefined,
): Promise<void> {
  const hasStopped = before !== undefined && (before.clean || before.brokerEpoch >= 0);
  if (redo <= 0 && !hasStopped) return;
  const names = await disk.list(journalDirectory).catch((error: unknown): string[] => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  if (names.some((name) => name.endsWith('.journal'))) return;
  throw new LogError(
    'damaged',
    `${journalDirectory}: the journal is gone, which held acknowledged batches (the catalogue knows position ${redo})`,
  );
}

/** The journal gave records back that only a later catalogue than this one accounts for: the catalogue is older than the journal. */
function refuseLostCatalogue(journal: Journal, found: JournalRecovery, redo: number, directory: string): void {
  if (!found.isNew && redo > journal.endPosition) {
    throw new LogError(
      'damaged',
      `${directory}: the catalogue knows of position ${redo}, the journal ends at ${journal.endPosition}`,
    );
  }
  if (found.redo > Math.max(redo, 0)) {
    throw new LogError('damaged', `${directory}: the journal begins at ${found.redo}, the catalogue reaches only to ${redo}`);
  }
}

function summary(
  engine: Engine,
  recovery: Recovery,
  journal: JournalRecovery,
  before: Incarnation | undefined,
  options: LogEngineOptions,
  durationMs: number,
): LogRecovery {
  const sameBoot = before === undefined || before.bootId === options.bootId;
  const offline = [...engine.all()].flatMap((log) =>
    log.offlineReason === undefined ? [] : [{ key: log.key, reason: log.offlineReason }],
  );
  return {
    ...recovery.counts,
    isNew: before === undefined,
    cleanStop: before?.clean ?? true,
    sameBoot,
    brokerEpoch: before?.brokerEpoch ?? -1,
    atRisk: sameBoot ? [] : recovery.scanned,
    offline,
    partitions: [...engine.all()].length,
    durationMs,
    journal,
  };
}
