/** The part of rocksdb-native that we use; the package has no types. */
declare module 'rocksdb-native' {
  interface Options {
    readonly readOnly?: boolean;
    readonly maxBackgroundJobs?: number;
    readonly maxOpenFiles?: number;
    readonly maxFileOpeningThreads?: number;
    readonly skipStatsUpdateOnOpen?: boolean;
    readonly writeBufferSize?: number;
  }

  interface Range {
    readonly gte?: Uint8Array;
    readonly lt?: Uint8Array;
    /** Entries read at a time. */
    readonly capacity?: number;
  }

  interface WriteBatch {
    tryPut(key: Uint8Array, value: Uint8Array): void;
    tryDelete(key: Uint8Array): void;
    tryDeleteRange(from: Uint8Array, to: Uint8Array): void;
    flush(): Promise<void>;
    destroy(): void;
  }

  class RocksDB {
    constructor(path: string, options?: Options);
    ready(): Promise<void>;
    get(key: Uint8Array): Promise<Buffer | null>;
    write(options?: { readonly capacity?: number }): WriteBatch;
    iterator(range: Range): AsyncIterable<{ readonly key: Buffer; readonly value: Buffer }>;
    flush(): Promise<void>;
    close(): Promise<void>;
  }

  export default RocksDB;
}
