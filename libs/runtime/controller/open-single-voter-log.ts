import { join } from 'node:path';
import type { DirectoryId, NodeId } from '@streamline/core/types/ids';
import { openJournal } from '@streamline/runtime/journal/open-journal';
import type { JournalOptions } from '@streamline/runtime/journal/journal-options';
import { recordBytesMax } from '@streamline/runtime/journal/journal-options';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { Journal } from '@streamline/runtime/ports/journal';
import type { Random } from '@streamline/runtime/ports/random';
import type { KeyValueStore } from '@streamline/runtime/rocks/key-value-store';
import { CommittedMetadata } from './committed-metadata';
import type { HardState } from './log-format';
import { decodeHardState, encodeHardState } from './log-format';
import { RecoveredLog } from './log-recovery';
import { SingleVoterLog } from './single-voter-log';

export type JournalSize = Pick<JournalOptions, 'fileBytes' | 'fileCount' | 'groupBytesMax' | 'pendingBytesMax'>;

/** The controller's journal: small files, since metadata is small; what is not checkpointed must fit (J-7). */
export const CONTROLLER_JOURNAL: JournalSize = {
  fileBytes: 4 * 1024 * 1024,
  fileCount: 8,
  groupBytesMax: 1024 * 1024,
  pendingBytesMax: 8 * 1024 * 1024,
};

/** Committed entries kept for followers are never more bytes than this. */
const WINDOW_BYTES_MAX = 16 * 1024 * 1024;

export interface OpenLogOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** The controller role's own directory, absolute; it must exist. The image lies in it. */
  readonly directory: string;
  /** Where the journal lies; `journal` in that directory by default. */
  readonly journalDirectory?: string | undefined;
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  /** Opens the store of the image at a path, making it where there is none. */
  readonly openStore: (path: string) => Promise<KeyValueStore>;
  /** The guide's snapshot_interval_logs: entries between two checkpoints. */
  readonly snapshotIntervalLogs: number;
  /** The guide's max_logs_in_snapshot: entries kept for followers. */
  readonly maxLogsInSnapshot: number;
  /** Called after each group of the journal that holds records, for metrics. */
  readonly onGroup?: JournalOptions['onGroup'];
  /** CONTROLLER_JOURNAL by default. */
  readonly journalSize?: JournalSize;
}

export interface OpenedLog {
  readonly log: SingleVoterLog;
  readonly committed: CommittedMetadata;
  /** How full the journal is, for metrics. */
  readonly journal: Pick<Journal, 'usedBytes' | 'capacityBytes'>;
  /** A clean stop of the log, then of the image. */
  close(): Promise<void>;
}

/**
 * Opens the metadata log of a single voter with the image of what it has applied, both at once.
 * Fails with MetadataLogError, LogFormatError, ImageFormatError, UnknownRecordError or the journal's errors where what is on
 * disk must not be used.
 */
export async function openSingleVoterLog(options: OpenLogOptions): Promise<OpenedLog> {
  const { disk, clock, random, directory, nodeId, directoryId, journalSize = CONTROLLER_JOURNAL } = options;
  const recovered = new RecoveredLog();
  let hardState: HardState = { nodeId, directoryId, term: 0, votedFor: undefined };
  let onStoreFailure: (error: Error) => void = () => undefined;
  const opening = [
    openImage(options, (error) => onStoreFailure(error)),
    openJournal(
      {
        disk,
        clock,
        random,
        directory: options.journalDirectory ?? join(directory, 'journal'),
        ...journalSize,
        ...(options.onGroup && { onGroup: options.onGroup }),
        headerPayload: () => encodeHardState(recovered.hardState ?? hardState),
      },
      (record) => recovered.take(record),
    ),
  ] as const;
  const [image, opened] = await allOrClose(opening);
  try {
    const { headerPayload } = opened.recovery;
    if (recovered.hardState === undefined && headerPayload.length > 0) recovered.hardState = decodeHardState(headerPayload);
    const log = await SingleVoterLog.start({
      nodeId,
      directoryId,
      journal: opened.journal,
      entryBytesMax: recordBytesMax(journalSize.groupBytesMax),
      recovered,
      machine: image.committed,
      onHardState: (next) => {
        hardState = next;
        recovered.hardState = next;
      },
      checkpointEntries: options.snapshotIntervalLogs,
    });
    onStoreFailure = (error) => log.fail(error);
    return {
      log,
      committed: image.committed,
      journal: opened.journal,
      close: async () => {
        await log.close();
        await image.store.close();
      },
    };
  } catch (error) {
    await Promise.allSettled([opened.journal.close(), image.store.close()]);
    throw error;
  }
}

interface OpenedImage {
  readonly store: KeyValueStore;
  readonly committed: CommittedMetadata;
}

async function openImage(options: OpenLogOptions, onFailure: (error: Error) => void): Promise<OpenedImage> {
  const store = await options.openStore(join(options.directory, 'image'));
  try {
    const window = { entriesMax: options.maxLogsInSnapshot, bytesMax: WINDOW_BYTES_MAX };
    return { store, committed: await CommittedMetadata.load({ store, clock: options.clock, window, onFailure }) };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Both, or the first failure once what the other one opened is closed again. */
async function allOrClose<Opened extends { readonly journal: { close(): Promise<void> } }>(
  opening: readonly [Promise<OpenedImage>, Promise<Opened>],
): Promise<[OpenedImage, Opened]> {
  const [image, journal] = await Promise.allSettled(opening);
  if (image.status === 'fulfilled' && journal.status === 'fulfilled') return [image.value, journal.value];
  if (image.status === 'fulfilled') await image.value.store.close();
  if (journal.status === 'fulfilled') await journal.value.journal.close();
  throw image.status === 'rejected' ? image.reason : journal.status === 'rejected' ? journal.reason : new Error('unreachable');
}
