import RocksDB from 'rocksdb-native';
import type { KeyValueStore, StoreBatch, StoreEntry } from './key-value-store';

/** Entries that one page of a scan holds, and that the native iterator reads at a time (its own default of 8 is slow). */
const PAGE_ENTRIES = 1024;
/** Memory for writes that are not in a file yet; images are small. */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024;

/** Opens a RocksDB, see `OpenStore`. One column family: a batch across several corrupts memory in this binding. */
export async function openRocksStore(path: string, mode: 'write' | 'read'): Promise<KeyValueStore> {
  const db = new RocksDB(path, {
    readOnly: mode === 'read',
    maxBackgroundJobs: 2,
    maxOpenFiles: 128,
    maxFileOpeningThreads: 1,
    skipStatsUpdateOnOpen: true,
    writeBufferSize: WRITE_BUFFER_BYTES,
  });
  await db.ready();
  return new RocksStore(db);
}

class RocksStore implements KeyValueStore {
  /** Writes run one after the other: the binding gives no order to batches that overlap. */
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(private readonly db: RocksDB) {}

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    return (await this.db.get(key)) ?? undefined;
  }

  write(batch: StoreBatch): Promise<void> {
    const write = this.#lastWrite.then(() => this.#write(batch));
    this.#lastWrite = write.catch(() => undefined);
    return write;
  }

  async *scan(from: Uint8Array, to: Uint8Array): AsyncGenerator<readonly StoreEntry[]> {
    let page: StoreEntry[] = [];
    for await (const { key, value } of this.db.iterator({ gte: from, lt: to, capacity: PAGE_ENTRIES })) {
      page.push({ key, value });
      if (page.length < PAGE_ENTRIES) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }

  async flush(): Promise<void> {
    await this.#lastWrite;
    await this.db.flush();
  }

  async close(): Promise<void> {
    await this.#lastWrite;
    await this.db.close();
  }

  async #write({ deleteRanges = [], deletes = [], puts = [] }: StoreBatch): Promise<void> {
    const count = deleteRanges.length + deletes.length + puts.length;
    if (count === 0) return;
    const batch = this.db.write({ capacity: count });
    try {
      for (const [from, to] of deleteRanges) batch.tryDeleteRange(from, to);
      for (const key of deletes) batch.tryDelete(key);
      for (const [key, value] of puts) batch.tryPut(key, value);
      await batch.flush();
    } finally {
      // A batch that is not released makes close() hang.
      batch.destroy();
    }
  }
}
