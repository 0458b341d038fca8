/**
 * Memory of record batches that sockets are read into, so that batches stay where they arrived (LOG-17, docs/adr/0011). Lent by the log
 * engine to readers in its own process.
 */
export interface RecordMemory {
  /** A slab for one reader; undefined where readers have as much as they may. */
  lend(): SlabLease | undefined;
  /** Bytes of a slab. */
  readonly slabBytes: number;
  /** Readers have so much that who can do without its slab should give it back. */
  readonly isScarce: boolean;
}

/** A slab while one reader fills it. Its bytes are written once: what was read is never read over. */
export interface SlabLease {
  /** Of the whole slab. Beyond the bytes that were read it is the reader's alone until `end`. */
  readonly memory: Buffer;
  /** The reader has read up to here. */
  readTo(endBytes: number): void;
  /**
   * Until `withdraw`, batches that are appended out of `frame`, a view of the slab, stay in it: the log patches them there, and nobody may
   * write to them any more. Each byte belongs to one batch at most; what else is appended is copied.
   */
  offer(frame: Buffer): void;
  withdraw(): void;
  /** The reader neither reads from the slab nor lets anything write to it any more. */
  end(): void;
}
