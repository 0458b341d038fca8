import type { KeyValueStore, StoreBatch, StoreEntry } from '@streamline/runtime/rocks/key-value-store';

/** What survives a store's process: shared by the stores that are opened on it one after the other. */
export class StoreMedium {
  /** Batches that are durable, then those that a power loss may take, newest last. */
  flushed = new Map<string, Buffer>();
  unflushed: StoreBatch[] = [];
  open: MemoryStore | undefined;
  /** The disk takes nothing, as RocksDB says it. */
  isFull = false;
  /** What a flush waits for, so that other things happen meanwhile. */
  beforeFlush: () => Promise<void> = () => Promise.resolve();

  /** The machine lost power: of what was not flushed, the first `kept` batches are still there. */
  crash(kept: number): void {
    if (this.open !== undefined) this.open.dead = true;
    for (const batch of this.unflushed.slice(0, kept)) applyBatch(this.flushed, batch);
    this.unflushed = [];
  }
}

/** A KeyValueStore in memory that loses what RocksDB may lose. */
export class MemoryStore implements KeyValueStore {
  dead = false;
  readonly #content: Map<string, Buffer>;

  constructor(
    private readonly medium: StoreMedium,
    mode: 'write' | 'read' = 'write',
  ) {
    if (mode === 'write') refuseWhenFull(medium);
    else if (medium.open === undefined) throw new Error('/image/CURRENT: No such file or directory');
    medium.open = this;
    this.#content = new Map(medium.flushed);
    for (const batch of medium.unflushed) applyBatch(this.#content, batch);
    if (mode === 'read') return;
    medium.flushed = new Map(this.#content);
    medium.unflushed = [];
  }

  get(key: Uint8Array): Promise<Buffer | undefined> {
    return Promise.resolve(this.#content.get(text(key)));
  }

  async write(batch: StoreBatch): Promise<void> {
    await this.#alive();
    refuseWhenFull(this.medium);
    applyBatch(this.#content, batch);
    this.medium.unflushed.push(batch);
  }

  async *scan(from: Uint8Array, to: Uint8Array): AsyncGenerator<readonly StoreEntry[]> {
    const names = [...this.#content.keys()].filter((name) => name >= text(from) && name < text(to)).sort();
    for (const name of names) {
      yield [{ key: Buffer.from(name, 'latin1'), value: this.#content.get(name) ?? Buffer.alloc(0) }];
    }
  }

  async flush(): Promise<void> {
    const batches = [...this.medium.unflushed];
    await this.medium.beforeFlush();
    await this.#alive();
    refuseWhenFull(this.medium);
    for (const batch of batches) applyBatch(this.medium.flushed, batch);
    this.medium.unflushed = this.medium.unflushed.filter((batch) => !batches.includes(batch));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A store of a process that is gone never answers. */
  async #alive(): Promise<void> {
    await Promise.resolve();
    if (this.dead) await new Promise(() => undefined);
  }
}

function refuseWhenFull({ isFull }: StoreMedium): void {
  if (isFull) throw new Error('While appending to file: /image/000011.log: No space left on device');
}

function text(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

function applyBatch(content: Map<string, Buffer>, { deleteRanges = [], deletes = [], puts = [] }: StoreBatch): void {
  for (const [from, to] of deleteRanges) {
    for (const name of content.keys()) if (name >= text(from) && name < text(to)) content.delete(name);
  }
  for (const key of deletes) content.delete(text(key));
  for (const [key, value] of puts) content.set(text(key), Buffer.from(value));
}
