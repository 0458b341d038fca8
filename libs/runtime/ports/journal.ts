import type { Brand } from '@streamline/core/types/brand';

/**
 * A place in the journal's life: grows with every record, never starts anew, also not when files are recycled or the
 * process restarts. Only comparisons mean something.
 */
export type JournalPosition = Brand<number, 'JournalPosition'>;

/** A record as replay hands it out. `payload` is valid only during the call: copy what is kept. */
export interface JournalRecord {
  readonly type: number;
  readonly position: JournalPosition;
  readonly payload: Buffer;
}

/** What opening a journal found. */
export interface JournalRecovery {
  /** There was no journal in the directory: it was made now. */
  readonly isNew: boolean;
  /** The last thing in the journal is the end marker of a clean stop (J-5). */
  readonly cleanStop: boolean;
  /** Bytes of the one group that was in flight at the crash, was never acknowledged and is cut (J-5). */
  readonly tornBytes: number;
  /** Marks (groups without records) that cannot be read any more; nothing is missing, but the disk is to be looked at. */
  readonly unreadableMarks: number;
  /** True where the last group may not be on the disk although it was readable: it was written again, durably, by the opening. */
  readonly rewroteLastGroup: boolean;
  /** Records handed to `onRecord`. */
  readonly records: number;
  readonly bytesScanned: number;
  /** Replay began here: the last release that is known to be durable, or `startReplayAt` where that is later. */
  readonly redo: JournalPosition;
  /** The position of the last record, or of what was before it where all are recycled. */
  readonly end: JournalPosition;
  /** The owner's bytes in the header of the newest file (J-6). */
  readonly headerPayload: Buffer;
}

/**
 * The journal of one role instance (J-1): what was appended here and is durable survives anything but the loss of the
 * disk. It knows nothing of what its records mean; record types are the owner's, 1 to 127.
 */
export interface Journal {
  /**
   * Takes a record into the next group. The chunks are read before the call returns or kept until written, and must not
   * change meanwhile. Fails (throws JournalFailedError) once a write has failed (J-9) or after `close`, with a RangeError
   * for more than `recordBytesMax` bytes.
   * @param lastCrc the CRC-32C of the last chunk, where it is known for certain: then nobody goes over its bytes again. With a wrong one the
   * group could not be read, and with it everything that it acknowledged would be lost.
   * Returns the position at which the record is durable once `durablePosition` has reached it.
   */
  append(type: number, chunks: readonly Uint8Array[], lastCrc?: number): JournalPosition;
  /** The largest payload that one record may have. */
  readonly recordBytesMax: number;
  /** Bytes that may be appended now without exceeding the bound on what waits; at 0 or less producers wait (J-7). */
  readonly headroomBytes: number;
  /** Calls back once, when there is headroom again (at once where there is). */
  onHeadroom(callback: () => void): void;
  /** The position of the last record that was appended, durable or not. */
  readonly endPosition: JournalPosition;
  /** Everything at or before it is durable. */
  readonly durablePosition: JournalPosition;
  /** Called after each group is durable, before the next one is written. One listener: the owner. */
  onDurable(listener: (durable: JournalPosition) => void): void;
  /** Called once, when a write failed: nothing more is acknowledged, the process is to exit (J-9). */
  onFailure(listener: (error: Error) => void): void;
  /** Milliseconds that the write now in flight has taken so far, 0 where there is none (J-9). */
  readonly outstandingWriteMs: number;
  /** Resolves when everything appended so far is durable. */
  flush(): Promise<void>;
  /**
   * Tells that replay need not hand out records before `redo` (the record at `redo` is handed out): files wholly before
   * it may be recycled. `durablePosition + 1` says that no record is needed any more; more than that counts as that. The
   * owner has made its own checkpoint record durable first (S-6).
   */
  release(redo: JournalPosition): void;
  /** Bytes of the ring that are taken, from the file of the oldest record that replay would hand out to the end. */
  readonly usedBytes: number;
  readonly capacityBytes: number;
  /**
   * Called when a file is begun while more than half of the ring is taken, so that the owner checkpoints; with the
   * position that should be released to bring it back to half.
   */
  onPressure(listener: (releaseUpTo: JournalPosition) => void): void;
  /** Writes the end marker of a clean stop after everything appended, and closes. */
  close(): Promise<void>;
}
