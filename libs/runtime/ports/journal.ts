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

/**
 * The journal of one role instance (J-1): what was appended here and is durable survives anything but the loss of the
 * disk. It knows nothing of what its records mean; record types are the owner's, 1 to 127.
 */
export interface Journal {
  /**
   * Takes a record into the next group. The chunks are read before the call returns or kept until written, and must not
   * change meanwhile. Fails (throws JournalFailedError) once a write has failed (J-9).
   * Returns the position at which the record is durable once `durablePosition` has reached it.
   */
  append(type: number, chunks: readonly Uint8Array[]): JournalPosition;
  /** Bytes that may be appended now without exceeding the bound on what waits; at 0 or less producers wait (J-7). */
  readonly headroomBytes: number;
  /** Calls back once, when there is headroom again (at once where there is). */
  onHeadroom(callback: () => void): void;
  /** Everything at or before it is durable. */
  readonly durablePosition: JournalPosition;
  /** Called after each group is durable, before the next one is written. One listener: the owner. */
  onDurable(listener: (durable: JournalPosition) => void): void;
  /** Called once, when a write failed: nothing more is acknowledged, the process is to exit (J-9). */
  onFailure(listener: (error: Error) => void): void;
  /** Resolves when everything appended so far is durable. */
  flush(): Promise<void>;
  /**
   * Tells that replay need not start before `redo`: files wholly before it may be recycled. The owner has made its own
   * checkpoint record durable first (S-6).
   */
  release(redo: JournalPosition): void;
  /** Bytes between the oldest position that replay would start from and the end, and the ring's size. */
  readonly usedBytes: number;
  readonly capacityBytes: number;
  /** Called when the ring fills up, so that the owner checkpoints; with the position that should be released. */
  onPressure(listener: (releaseUpTo: JournalPosition) => void): void;
  /** Writes the end marker of a clean stop after everything appended, and closes. */
  close(): Promise<void>;
}
