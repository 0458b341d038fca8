import * as format from '@streamline/core/journal/format';
import { Ring } from '@streamline/core/journal/ring';
import type { Disk, DurableFile } from '@streamline/runtime/ports/disk';
import type { Journal, JournalPosition, JournalRecovery } from '@streamline/runtime/ports/journal';
import { crc32c } from './crc32c';
import { GroupWriter } from './group-writer';
import { checkJournalOptions } from './journal-options';
import type { JournalOptions } from './journal-options';
import { JournalScan, readHeaders, slotPath } from './journal-scan';
import type { JournalFiles, RecordHandler, ScanResult, ScannedFile } from './journal-scan';
import { RingJournal, newHeader } from './ring-journal';
import { SlotFiles } from './slot-files';

export interface OpenedJournal {
  readonly journal: Journal;
  readonly recovery: JournalRecovery;
}

/**
 * Opens the journal of a directory, making it where there is none, and hands each record that is not released to
 * `onRecord`, in order; a promise that it returns is waited for. Everything that was handed out is durable when the
 * journal is returned.
 * Fails with JournalDamagedError or JournalFormatError, both before anything was changed (J-5).
 */
export async function openJournal(options: JournalOptions, onRecord: RecordHandler): Promise<OpenedJournal> {
  checkJournalOptions(options);
  const slots = new SlotFiles(options.disk, options.directory, options.fileBytes);
  const names = await slots.prepareDirectory();
  const files = await readHeaders(options.disk, options.directory, names);
  const newest = files.used.at(-1);
  return newest === undefined ? makeJournal(options, slots) : recoverJournal(options, slots, files, newest, onRecord);
}

async function makeJournal(options: JournalOptions, slots: SlotFiles): Promise<OpenedJournal> {
  const header = newHeader(options, 1, 0, 0);
  await slots.make(0, format.encodeFileHeader(header, crc32c));
  const ring = new Ring(options);
  ring.begin(0, header.sequence, 0, 0, options.fileBytes);
  const file = await options.disk.openDurable(slotPath(options.directory, 0));
  const writer = new GroupWriter(file, 0, header, format.BLOCK_BYTES);
  const journal = new RingJournal(options, ring, slots, new Map([[0, file]]), { writer, position: 0, redo: 0, durableRedo: 0 });
  const start = 0 as JournalPosition;
  return {
    journal,
    recovery: {
      isNew: true,
      cleanStop: true,
      tornBytes: 0,
      unreadableMarks: 0,
      rewroteLastGroup: false,
      records: 0,
      bytesScanned: 0,
      redo: start,
      end: start,
      headerPayload: Buffer.from(header.ownerPayload),
    },
  };
}

async function recoverJournal(
  options: JournalOptions,
  slots: SlotFiles,
  files: JournalFiles,
  newest: ScannedFile,
  onRecord: RecordHandler,
): Promise<OpenedJournal> {
  const scan = new JournalScan(options.disk, files.used);
  const known = await scan.findRedo();
  const replayFrom = Math.max(known.redo, options.startReplayAt ?? 0);
  if (options.firstPass !== undefined) await scan.read(known.redo, known.newestIsEmpty, replayFrom, options.firstPass);
  const found = await scan.read(known.redo, known.newestIsEmpty, replayFrom, onRecord);
  const journal = await goOn(options, slots, files, newest, found, known.redo);
  if (found.cleanStop) await journal.markOpened();
  const lastGroup = found.recordsInDoubt ? found.lastGroup : undefined;
  if (lastGroup !== undefined) {
    await journal.rewriteLast(lastGroup.header.startPosition, await scan.payloadOf(lastGroup), lastGroup.header.recordCount);
  }
  return {
    journal,
    recovery: {
      isNew: false,
      cleanStop: found.cleanStop,
      tornBytes: found.tornBytes,
      unreadableMarks: found.unreadableMarks,
      rewroteLastGroup: lastGroup !== undefined,
      records: found.records,
      bytesScanned: found.bytesScanned,
      redo: found.redo as JournalPosition,
      end: found.position as JournalPosition,
      headerPayload: Buffer.from(newest.header.ownerPayload),
    },
  };
}

/** What the last life wrote is readable, but after a kill perhaps not on the disk: files are recycled on its word. */
async function syncFile(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(path, 'write');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Takes the files over where the scan found their end. */
async function goOn(
  options: JournalOptions,
  slots: SlotFiles,
  files: JournalFiles,
  newest: ScannedFile,
  found: ScanResult,
  durableRedo: number,
): Promise<RingJournal> {
  await syncFile(options.disk, newest.path);
  const ring = new Ring(options);
  const handles = new Map<number, DurableFile>();
  const open = async (slot: number): Promise<DurableFile> => {
    const file = await options.disk.openDurable(slotPath(options.directory, slot));
    handles.set(slot, file);
    return file;
  };
  for (const file of files.unused) {
    if (file.bytes !== options.fileBytes || file.slot >= options.fileCount) {
      await slots.remove(file.slot);
      continue;
    }
    await open(file.slot);
    ring.addBlank(file.slot);
  }
  let writer: GroupWriter | undefined;
  let previous: GroupWriter | undefined;
  for (const [index, file] of files.used.entries()) {
    const isNewest = index === files.used.length - 1;
    const previousEnd = isNewest && found.newestIsEmpty ? found.position : file.header.startPosition;
    ring.begin(file.slot, file.header.sequence, file.header.startPosition, previousEnd, file.bytes);
    previous = writer;
    writer = new GroupWriter(await open(file.slot), file.slot, file.header, isNewest ? found.nextOffset : found.previousOffset);
  }
  if (writer === undefined) throw new Error('a journal with files has a newest one');
  const start = { position: found.position, redo: found.redo, durableRedo };
  if (!found.headerInDoubt || previous === undefined) return new RingJournal(options, ring, slots, handles, { writer, ...start });
  const journal = new RingJournal(options, ring, slots, handles, { writer: previous, ...start });
  await journal.begin(writer.slot, writer.header.startPosition);
  return journal;
}
