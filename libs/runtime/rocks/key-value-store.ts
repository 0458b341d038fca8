/**
 * Opens a store at a path, whose parent directory exists. `write` makes one where there is none; `read` fails there, changes
 * nothing on the disk, and the store that it gives takes no writes.
 */
export type OpenStore = (path: string, mode: 'write' | 'read') => Promise<KeyValueStore>;

/** A store of keys in byte order. What was written is durable only after `flush` (STACK: no switch syncs its WAL). */
export interface KeyValueStore {
  get(key: Uint8Array): Promise<Buffer | undefined>;
  /** All or nothing, also through a crash. Writes take effect in the order of the calls. */
  write(batch: StoreBatch): Promise<void>;
  /** Pages of what lies in `from <= key < to`, in order. */
  scan(from: Uint8Array, to: Uint8Array): AsyncIterable<readonly StoreEntry[]>;
  /** Everything written before is durable when it resolves. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface StoreEntry {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** Ranges (`from <= key < to`) are deleted first, then keys, then values are put. */
export interface StoreBatch {
  readonly deleteRanges?: readonly (readonly [from: Uint8Array, to: Uint8Array])[];
  readonly deletes?: readonly Uint8Array[];
  readonly puts?: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
}
