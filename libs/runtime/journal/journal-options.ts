import { BLOCK_BYTES, GROUP_HEADER_BYTES, RECORD_HEADER_BYTES, RESERVED_TAIL_BYTES } from '@streamline/core/journal/format';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { JournalPosition } from '@streamline/runtime/ports/journal';
import type { Random } from '@streamline/runtime/ports/random';
import type { RecordHandler } from './journal-scan';

/** What one group's write was, for metrics. */
export interface GroupWrite {
  readonly bytes: number;
  readonly records: number;
  readonly writeMs: number;
}

export interface JournalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  /** The journal's own directory (J-1); made where there is none, in a directory that exists. */
  readonly directory: string;
  /** Size of each file of the ring, a multiple of 4 KiB, at least three groups and 24 KiB. */
  readonly fileBytes: number;
  /** Files in the ring, at least 2; made one at a time as they are needed (J-7). */
  readonly fileCount: number;
  /** The largest group with its header and padding, a multiple of 4 KiB (J-4): one record is at most 72 bytes smaller. */
  readonly groupBytesMax: number;
  /** Bytes that may wait for their group before producers are told to wait (J-7). */
  readonly pendingBytesMax: number;
  /**
   * Bytes of the ring that are kept from producers for what the owner has to append to release more: checkpoint records
   * and the like; at most half of what a file holds. By default an eighth of the ring, within that.
   */
  readonly reserveBytes?: number;
  /** How long the journal is idle before the seal is written (J-5); 100 by default. */
  readonly sealDelayMs?: number;
  /** Records before it are not handed out, also where the last release is older. */
  readonly startReplayAt?: JournalPosition;
  /** What the owner wants at the start of each file (J-6); asked for when one is begun, at most 3,968 bytes. */
  readonly headerPayload?: () => Uint8Array;
  /** When given, all records are handed to it first, in order; then all again to `onRecord` (S-4 wants two passes). */
  readonly firstPass?: RecordHandler;
  /** Called after each group that holds records. */
  readonly onGroup?: (write: GroupWrite) => void;
}

/** Fails with a RangeError that names the option. */
export function checkJournalOptions(options: JournalOptions): void {
  const { fileBytes, fileCount, groupBytesMax, pendingBytesMax } = options;
  if (groupBytesMax % BLOCK_BYTES !== 0 || groupBytesMax < BLOCK_BYTES) {
    throw new RangeError(`groupBytesMax ${groupBytesMax} is not a positive multiple of ${BLOCK_BYTES}`);
  }
  const least = BLOCK_BYTES + 3 * groupBytesMax + RESERVED_TAIL_BYTES;
  if (fileBytes % BLOCK_BYTES !== 0 || fileBytes < least) {
    throw new RangeError(
      `fileBytes ${fileBytes} is not a multiple of ${BLOCK_BYTES} of at least ${least} (with groupBytesMax ${groupBytesMax})`,
    );
  }
  if (!Number.isInteger(fileCount) || fileCount < 2 || fileCount > 999)
    throw new RangeError(`fileCount ${fileCount} is not from 2 to 999`);
  const { reserveBytes } = options;
  if (reserveBytes !== undefined && (reserveBytes < 0 || reserveBytes > reserveBytesMax(options))) {
    throw new RangeError(`reserveBytes ${reserveBytes} is not from 0 to ${reserveBytesMax(options)}`);
  }
  if (!(pendingBytesMax > 0)) throw new RangeError(`pendingBytesMax ${pendingBytesMax} is not positive`);
}

/** What a file surely holds: without the header, the marks, and the end that a record may be too large for. */
export function usableFileBytes({ fileBytes, groupBytesMax }: Pick<JournalOptions, 'fileBytes' | 'groupBytesMax'>): number {
  return fileBytes - BLOCK_BYTES - groupBytesMax - RESERVED_TAIL_BYTES;
}

export function reserveBytesMax(options: Pick<JournalOptions, 'fileBytes' | 'groupBytesMax'>): number {
  return usableFileBytes(options) / 2;
}

export function recordBytesMax(groupBytesMax: number): number {
  return groupBytesMax - GROUP_HEADER_BYTES - RECORD_HEADER_BYTES;
}
