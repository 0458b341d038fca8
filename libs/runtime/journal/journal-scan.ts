import path from 'node:path';
import { Chain } from '@streamline/core/journal/chain';
import type { ChainEnd, Damage } from '@streamline/core/journal/chain';
import * as format from '@streamline/core/journal/format';
import type { FileHeader, GroupHeader } from '@streamline/core/journal/format';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { JournalPosition, JournalRecord } from '@streamline/runtime/ports/journal';
import { crc32c } from './crc32c';
import { FileWindow } from './file-window';
import { JournalDamagedError, JournalFormatError } from './journal-error';

const WINDOW_BYTES = 4 * 1024 * 1024;
const FILE_NAME = /^(\d{3})\.journal$/;

export const PREPARING_SUFFIX = '.preparing';

export function slotPath(directory: string, slot: number): string {
  return path.join(directory, `${String(slot).padStart(3, '0')}.journal`);
}

export interface ScannedFile {
  readonly slot: number;
  readonly path: string;
  readonly bytes: number;
  readonly header: FileHeader;
}

/** The files of a journal's directory by what their headers say. */
export interface JournalFiles {
  /** By sequence. */
  readonly used: readonly ScannedFile[];
  /** Files without a valid header, and their sizes. */
  readonly unused: readonly { readonly slot: number; readonly path: string; readonly bytes: number }[];
}

/** Where the last group with records is, so that it can be written again. */
export interface LastGroup {
  readonly file: ScannedFile;
  readonly offset: number;
  readonly header: GroupHeader;
}

export interface ScanResult extends ChainEnd {
  /** Replay began here. */
  readonly redo: number;
  readonly records: number;
  readonly bytesScanned: number;
  readonly lastGroup: LastGroup | undefined;
  /** The end of the newest file that holds groups, where the newest one of all holds none. */
  readonly previousOffset: number;
  readonly newestIsEmpty: boolean;
}

/** The last release that the newest file tells of. */
export interface KnownRedo {
  readonly redo: number;
  readonly newestIsEmpty: boolean;
}

export type RecordHandler = (record: JournalRecord) => void | Promise<void>;

/** Reads every header. Fails with JournalDamagedError where there are files but no header of one in use. */
export async function readHeaders(disk: Disk, directory: string, names: readonly string[]): Promise<JournalFiles> {
  const used: ScannedFile[] = [];
  const unused: { slot: number; path: string; bytes: number }[] = [];
  for (const name of names) {
    const match = FILE_NAME.exec(name);
    if (match === null) continue;
    const slot = Number(match[1]);
    const filePath = slotPath(directory, slot);
    const file = await disk.open(filePath, 'read');
    try {
      const bytes = await file.size();
      const block = Buffer.alloc(format.BLOCK_BYTES);
      await file.read(0, block);
      const found = format.decodeFileHeader(block, crc32c);
      if (found.kind === 'foreign') throw new JournalFormatError(filePath, found.formatVersion, format.FORMAT_VERSION);
      if (found.kind === 'used') used.push({ slot, path: filePath, bytes, header: found.header });
      else unused.push({ slot, path: filePath, bytes });
    } finally {
      await file.close();
    }
  }
  used.sort((a, b) => a.header.sequence - b.header.sequence);
  const [first] = unused;
  if (used.length === 0 && first !== undefined) {
    throw new JournalDamagedError(first.path, 0, 'the header is unreadable, and no other file of the journal has one');
  }
  return { used, unused };
}

/** Reads the files from the redo position on, as often as it is asked to, and hands out their records. */
export class JournalScan {
  private readonly buffer: Buffer;
  private bytesScanned = 0;
  private records = 0;
  private lastGroup: LastGroup | undefined;
  private offsetBefore = 0;

  constructor(
    private readonly disk: Disk,
    private readonly used: readonly ScannedFile[],
  ) {
    this.buffer = Buffer.allocUnsafe(Math.min(WINDOW_BYTES, Math.max(...used.map((file) => file.bytes))));
  }

  /** Finds the last release in the newest file, so that what is wholly before it is not read (docs/spec/journal.md). */
  async findRedo(): Promise<KnownRedo> {
    const newest = this.used.at(-1);
    if (newest === undefined) return { redo: 0, newestIsEmpty: true };
    let redo = newest.header.redo;
    let groups = 0;
    await this.readGroups(newest, {
      group: (_offset, _bytes, header) => {
        redo = Math.max(redo, header.redo);
        groups += 1;
        return 'next';
      },
      invalid: () => 'next',
    });
    return { redo, newestIsEmpty: groups === 0 };
  }

  /**
   * Reads from `knownRedo` on, which `findRedo` returned, and hands records from `replayFrom` on to `onRecord`. Fails
   * with JournalDamagedError (J-5).
   */
  async read(knownRedo: number, newestIsEmpty: boolean, replayFrom: number, onRecord: RecordHandler): Promise<ScanResult> {
    const files = this.filesFrom(knownRedo, newestIsEmpty);
    const [first] = files;
    this.records = 0;
    this.lastGroup = undefined;
    const chain = new Chain(first?.header.startPosition ?? 0);
    if (first !== undefined && first.header.startPosition > 0 && first.header.startPosition >= knownRedo) {
      throw new JournalDamagedError(
        first.path,
        0,
        `the journal was released up to position ${knownRedo}, but its oldest file begins after ${first.header.startPosition}: a file is missing or its header is unreadable`,
      );
    }
    for (const file of files) {
      refuse(file, chain.beginFile(file.header));
      if (file.bytes !== file.header.fileBytes) {
        throw new JournalDamagedError(
          file.path,
          file.bytes,
          `the file has ${file.bytes} bytes, its header says ${file.header.fileBytes}`,
        );
      }
      await this.readFile(file, chain, replayFrom, onRecord);
    }
    const end = chain.finish(knownRedo, format.BLOCK_BYTES);
    const newest = files.at(-1);
    if ('problem' in end) throw new JournalDamagedError(newest?.path ?? '', end.offset, end.problem);
    return {
      ...end,
      redo: Math.max(knownRedo, replayFrom),
      records: this.records,
      bytesScanned: this.bytesScanned,
      lastGroup: this.lastGroup,
      previousOffset: this.offsetBefore,
      newestIsEmpty,
    };
  }

  /** The payload of a group, from the disk. */
  async payloadOf(group: LastGroup): Promise<Buffer> {
    const payload = Buffer.alloc(group.header.payloadBytes);
    const handle = await this.disk.open(group.file.path, 'read');
    try {
      await handle.read(group.offset + format.GROUP_HEADER_BYTES, payload);
    } finally {
      await handle.close();
    }
    return payload;
  }

  private filesFrom(redo: number, newestIsEmpty: boolean): readonly ScannedFile[] {
    let from = this.used.findLastIndex((file) => file.header.startPosition < redo);
    if (from === this.used.length - 1 && newestIsEmpty) from -= 1;
    return this.used.slice(Math.max(from, 0));
  }

  private async readFile(file: ScannedFile, chain: Chain, replayFrom: number, onRecord: RecordHandler): Promise<void> {
    await this.readGroups(file, {
      group: (offset, bytes, header, payload) => {
        const nextSequence = header.kind === format.GroupKind.Continued ? format.decodeContinuation(payload) : 0;
        const before = chain.endPosition;
        const verdict = chain.group(offset, bytes, header, nextSequence);
        if (verdict.kind === 'damage') throw new JournalDamagedError(file.path, verdict.damage.offset, verdict.damage.problem);
        this.offsetBefore = offset + bytes;
        if (chain.isContinued) return 'stop';
        if (!format.isData(header.kind)) return 'next';
        this.lastGroup = { file, offset, header };
        if (verdict.kind === 'duplicate' || format.groupEnd(header) < replayFrom) return 'next';
        return this.handOut(payload, before, replayFrom, onRecord);
      },
      invalid: (offset, claimedBytes) => {
        chain.invalid(offset, claimedBytes);
        return 'next';
      },
    });
  }

  private async handOut(payload: Buffer, before: number, replayFrom: number, onRecord: RecordHandler): Promise<'next'> {
    for (const record of format.recordsOf(payload)) {
      const position = (before + record.to) as JournalPosition;
      if (position < replayFrom) continue;
      this.records += 1;
      const pending = onRecord({ type: record.type, position, payload: payload.subarray(record.from, record.to) });
      if (pending !== undefined) await pending;
    }
    return 'next';
  }

  /** Walks a file from group to group; where none is valid, from block to block. */
  private async readGroups(file: ScannedFile, visit: GroupVisitor): Promise<void> {
    const handle = await this.disk.open(file.path, 'read');
    const window = new FileWindow(handle, this.buffer, file.header.fileBytes);
    try {
      await walk(file, window, visit);
    } finally {
      this.bytesScanned += window.bytesRead;
      await handle.close();
    }
  }
}

type Step = 'next' | 'stop';

interface GroupVisitor {
  /** `payload` is valid until the next group is visited. */
  group(offset: number, bytes: number, header: GroupHeader, payload: Buffer): Step | Promise<Step>;
  invalid(offset: number, claimedBytes: number): Step;
}

async function walk(file: ScannedFile, window: FileWindow, visit: GroupVisitor): Promise<void> {
  const seed = format.saltSeed(file.header.salt, crc32c);
  let offset = format.BLOCK_BYTES;
  while (offset + format.BLOCK_BYTES <= file.header.fileBytes) {
    const block = window.peek(offset, format.BLOCK_BYTES) ?? (await window.load(offset, format.BLOCK_BYTES));
    const header = format.decodeGroupHeader(block, offset, file.header);
    const bytes = header === undefined ? 0 : format.paddedGroupBytes(header.payloadBytes);
    const group = bytes === 0 ? undefined : (window.peek(offset, bytes) ?? (await window.load(offset, bytes)));
    if (header === undefined || group === undefined || !format.isGroupIntact(group, header, seed, crc32c)) {
      if (visit.invalid(offset, bytes) === 'stop') return;
      offset += format.BLOCK_BYTES;
      continue;
    }
    const payload = group.subarray(format.GROUP_HEADER_BYTES, format.GROUP_HEADER_BYTES + header.payloadBytes);
    const step = visit.group(offset, bytes, header, payload);
    if ((typeof step === 'string' ? step : await step) === 'stop') return;
    offset += bytes;
  }
}

function refuse(file: ScannedFile, damage: Damage | undefined): void {
  if (damage !== undefined) throw new JournalDamagedError(file.path, damage.offset, damage.problem);
}
