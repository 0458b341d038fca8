/**
 * The file system, as the journal and the partition logs see it. Paths are absolute. Failures are the platform's own
 * errors with a `code` (ENOSPC, EIO, ENOENT ...). Nothing is durable until the call says so:
 *
 * - bytes: `DiskFile.datasync()`, or any write to a `DurableFile`;
 * - names (create, rename, unlink, mkdir): `syncDirectory()` of the directory that holds the name.
 *
 * `libs/testing` has an in-memory disk that crashes, tears, reorders and fails by exactly these rules.
 */
export interface Disk {
  /** Opens for reading and writing; `create` makes an empty file where there is none, and fails with EEXIST where there is one. */
  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile>;
  /**
   * Opens a preallocated file whose every write is durable when its promise resolves (O_DSYNC, J-2), served by a thread
   * of its own so that it never queues behind other work (J-8).
   */
  openDurable(path: string): Promise<DurableFile>;
  /** Something that writes to many open files at once, away from the event loop where that takes long; nothing is durable by it. */
  openWriter(): FileWriter;
  /** Names in a directory, unsorted; ENOENT where it does not exist. */
  list(path: string): Promise<string[]>;
  makeDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Removes a directory with all it holds; no error where there is none. */
  removeTree(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  exists(path: string): Promise<boolean>;
  /** Bytes that may still be written on the file system of `path`, and its size. */
  space(path: string): Promise<{ freeBytes: number; totalBytes: number }>;
}

export interface DiskFile {
  readonly path: string;
  /** Current length in bytes. */
  size(): Promise<number>;
  /** Writes all chunks one after the other from `position` on, or fails (a short write is an error). */
  write(position: number, chunks: readonly Uint8Array[]): Promise<void>;
  /** Fills `into` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(position: number, into: Uint8Array): Promise<number>;
  /** Like `read`, blocking: only for bytes that are likely in the page cache (26 times faster than the thread pool there). */
  readSync(position: number, into: Uint8Array): number;
  /** Makes all completed writes durable. After a failure nothing can be said of them, also not by trying again (S-9). */
  datasync(): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** A write to a file that is open; see `DiskFile.write`. */
export interface FileWrite {
  readonly file: DiskFile;
  readonly position: number;
  readonly chunks: readonly Uint8Array[];
}

/**
 * Writes to several files in a group: handed over at once, answered at once. Where the platform holds writers back nothing but the group
 * waits. One group is in flight at a time, with at most one write to each file; chunks must not change before it ends.
 */
export interface FileWriter {
  /** Resolves when the next group had better be chosen: once everything is there that the present turn of the event loop brings. */
  endOfTurn(): Promise<void>;
  /**
   * Resolves when all writes have ended: for each, in order, the error with which it failed, or undefined.
   * @param isUrgent somebody waits for it: what is small and quick may be written before the call returns
   */
  write(group: readonly FileWrite[], isUrgent: boolean): Promise<readonly (Error | undefined)[]>;
  close(): Promise<void>;
}

/** One write is in flight at a time; a second call before the first has resolved is a programming error. */
export interface DurableFile {
  readonly path: string;
  /** Writes the chunks one after the other at `position` within the preallocated size; durable when resolved. */
  write(position: number, chunks: readonly Uint8Array[]): Promise<void>;
  close(): Promise<void>;
}
