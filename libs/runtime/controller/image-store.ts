import { dirname } from 'node:path';
import type { Disk } from '@streamline/runtime/ports/disk';
import type { KeyValueStore, OpenStore, StoreBatch, StoreEntry } from '@streamline/runtime/rocks/key-value-store';

/** With less than this free a store is not opened for writing: it makes files of its own before it takes a byte. */
const ROOM_BYTES = 4 * 1024 * 1024;
/** What RocksDB says of a full disk; of writes after the one that failed it says only the last. */
const FULL_MESSAGE = /no space left on device|disk quota exceeded|batch was not applied/i;

/** The disk is full. Nothing is lost: what was to be written is to be given again. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
  readonly code = 'ENOSPC';

  constructor(path: string, options?: ErrorOptions) {
    super(`there is no space left for ${path}`, options);
  }
}

/** The image is damaged, or its files are not there for this process. */
export class ImageUnreadableError extends Error {
  override readonly name = 'ImageUnreadableError';
  /** The image holds nothing of its own. */
  readonly remedy: string;

  constructor(path: string, cause: unknown) {
    super(`the image of the metadata in ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.remedy = `Nothing was changed. Move ${path} away: the next start makes it anew from the log, or says that it cannot.`;
  }
}

export interface ImageStoreOptions {
  readonly disk: Pick<Disk, 'space'>;
  /** The store's directory; the one that it is in exists. */
  readonly path: string;
  readonly open: OpenStore;
}

/**
 * The store of the metadata image through times when its disk is full. It opens without writing where there is no room, so
 * that a node starts; a store that could not write is closed, and the next write opens it again.
 */
export class ImageStore implements KeyValueStore {
  #store: KeyValueStore | undefined;
  #isWritable = false;
  #isClosed = false;
  /** One call after the other: a call that fails closes the store. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly options: ImageStoreOptions) {}

  /** Fails with StoreFullError where there is neither an image nor room for one, and with ImageUnreadableError. */
  static async open(options: ImageStoreOptions): Promise<ImageStore> {
    const store = new ImageStore(options);
    try {
      await store.#openForWriting();
    } catch (error) {
      if (!(error instanceof StoreFullError)) throw error;
      await store.#openForReading(error);
    }
    return store;
  }

  async get(key: Uint8Array): Promise<Buffer | undefined> {
    const store = this.#opened();
    try {
      return await store.get(key);
    } catch (error) {
      throw new ImageUnreadableError(this.options.path, error);
    }
  }

  async *scan(from: Uint8Array, to: Uint8Array): AsyncIterable<readonly StoreEntry[]> {
    const pages = this.#opened().scan(from, to);
    try {
      yield* pages;
    } catch (error) {
      throw new ImageUnreadableError(this.options.path, error);
    }
  }

  /** Fails with StoreFullError where the disk is full: the same, or what has become of it since, is to be written again. */
  write(batch: StoreBatch): Promise<void> {
    return this.#exclusively(() => this.#attempt((store) => store.write(batch)));
  }

  /** Fails with StoreFullError where the disk is full: nothing is known to be durable. */
  flush(): Promise<void> {
    return this.#exclusively(() => this.#attempt((store) => store.flush()));
  }

  close(): Promise<void> {
    return this.#exclusively(async () => {
      this.#isClosed = true;
      await this.#store?.close();
      this.#store = undefined;
    });
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #opened(): KeyValueStore {
    if (this.#store === undefined) throw new StoreFullError(this.options.path);
    return this.#store;
  }

  async #attempt(work: (store: KeyValueStore) => Promise<void>): Promise<void> {
    if (this.#isClosed) throw new Error(`${this.options.path} is closed`);
    if (!this.#isWritable) await this.#openForWriting();
    try {
      await work(this.#opened());
    } catch (error) {
      if (!(await this.#tellsFull(error))) throw error;
      await this.#letGo();
      throw new StoreFullError(this.options.path, { cause: error });
    }
  }

  async #openForWriting(): Promise<void> {
    const { open, path } = this.options;
    if (!(await this.#hasRoom())) throw new StoreFullError(path);
    await this.#letGo();
    try {
      this.#store = await open(path, 'write');
      this.#isWritable = true;
    } catch (error) {
      throw (await this.#tellsFull(error)) ? new StoreFullError(path, { cause: error }) : new ImageUnreadableError(path, error);
    }
  }

  async #openForReading(full: StoreFullError): Promise<void> {
    const { open, path } = this.options;
    try {
      this.#store = await open(path, 'read');
    } catch (error) {
      full.cause ??= error;
      throw full;
    }
  }

  /** Of a store that cannot write any more nothing is expected. */
  async #letGo(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    this.#isWritable = false;
    await store?.close().catch(() => undefined);
  }

  async #tellsFull(error: unknown): Promise<boolean> {
    return (error instanceof Error && FULL_MESSAGE.test(error.message)) || !(await this.#hasRoom());
  }

  async #hasRoom(): Promise<boolean> {
    const { freeBytes } = await this.options.disk.space(dirname(this.options.path));
    return freeBytes >= ROOM_BYTES;
  }
}
