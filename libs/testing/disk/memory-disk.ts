import type { Disk, DiskFile, DurableFile, FileWrite, FileWriter } from '@streamline/runtime/ports/disk';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import { DiskCounters } from './disk-counters';
import { FaultInjector, diskError } from './fault-injector';
import type { FaultRule, Operation } from './fault-injector';
import { MemoryDirectory, NodeCopies } from './memory-directory';
import type { DiskNode } from './memory-directory';
import { MemoryFile } from './memory-file';
import type { FileChange } from './memory-file';
import { OperationQueue } from './operation-queue';

export interface MemoryDiskOptions {
  readonly random: SeededRandom;
  /** Writing beyond it fails with ENOSPC. */
  readonly capacityBytes?: number;
  /**
   * False: a sector that is being written when the power fails may hold neither the old nor the new bytes, so that what is
   * acknowledged must never share a sector with what is written later (J-4). By default sectors are atomic.
   */
  readonly sectorsAreAtomic?: boolean;
  /** Shared by a disk and its clones. */
  readonly counters?: DiskCounters;
  /** When the next operation ends: in the next turn of the event loop by default, in virtual time in a simulation. */
  readonly later?: (turn: () => void) => void;
}

interface AskedWrite {
  readonly file: MemoryFile;
  readonly position: number;
  readonly chunks: readonly Uint8Array[];
}

interface InFlightWrite extends AskedWrite {
  readonly path: string;
  /** What the chunks held when the write was asked for. */
  readonly bytes: Buffer;
}

/**
 * A file system in memory that crashes by the rules of the `Disk` port: what was not synced may be lost, torn or
 * reordered, names as well as bytes. Everything that is not determined is drawn from the seed. See libs/testing/README.md.
 */
export class MemoryDisk implements Disk {
  readonly counters: DiskCounters;
  private readonly random: SeededRandom;
  private readonly queue: OperationQueue;
  private readonly faults: FaultInjector;
  private readonly inFlight = new Set<InFlightWrite>();
  private root = new MemoryDirectory();
  private misused: Error | undefined;

  constructor(private readonly options: MemoryDiskOptions) {
    this.random = options.random;
    this.counters = options.counters ?? new DiskCounters();
    this.queue = new OperationQueue(options.random.fork(), options.later);
    this.faults = new FaultInjector(options.random.fork());
    this.faults.onRemoved(() => this.queue.schedule());
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const file = await this.run('open', path, () => (mode === 'create' ? this.create(path) : this.fileAt(path)));
    return new OpenFile(this, path, file, mode === 'read');
  }

  async openDurable(path: string): Promise<DurableFile> {
    return new OpenDurableFile(this, path, await this.run('openDurable', path, () => this.fileAt(path)));
  }

  openWriter(): FileWriter {
    return new MemoryFileWriter();
  }

  list(path: string): Promise<string[]> {
    return this.run('list', path, () => [...this.directoryAt(path).entries.keys()]);
  }

  makeDirectory(path: string): Promise<void> {
    return this.run('makeDirectory', path, () => {
      const { directory, name } = this.parentOf(path);
      if (directory.entries.has(name)) throw diskError('EEXIST', 'mkdir', path);
      MemoryDirectory.commit([{ directory, name, node: new MemoryDirectory() }]);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.run('rename', from, () => {
      const source = this.parentOf(from);
      const target = this.parentOf(to);
      const node = source.directory.entries.get(source.name);
      if (node === undefined) throw diskError('ENOENT', 'rename', from);
      const replaced = target.directory.entries.get(target.name);
      if (replaced instanceof MemoryDirectory && replaced !== node && replaced.entries.size > 0)
        throw diskError('ENOTEMPTY', 'rename', to);
      if (replaced === node) return;
      MemoryDirectory.commit([
        { ...source, node: undefined },
        { ...target, node },
      ]);
    });
  }

  unlink(path: string): Promise<void> {
    return this.run('unlink', path, () => {
      this.fileAt(path);
      MemoryDirectory.commit([{ ...this.parentOf(path), node: undefined }]);
    });
  }

  removeTree(path: string): Promise<void> {
    return this.run('removeTree', path, () => {
      const node = this.find(path);
      if (node === undefined) return;
      if (node instanceof MemoryDirectory) empty(node);
      MemoryDirectory.commit([{ ...this.parentOf(path), node: undefined }]);
    });
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = this.directoryAt(path);
    const mark = directory.mark();
    await this.run('syncDirectory', path, () => MemoryDirectory.sync(mark));
  }

  exists(path: string): Promise<boolean> {
    return this.run('exists', path, () => this.find(path) !== undefined);
  }

  space(path: string): Promise<{ freeBytes: number; totalBytes: number }> {
    return this.run('space', path, () => {
      const totalBytes = this.options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
      return { freeBytes: Math.max(totalBytes - this.takenBytes(), 0), totalBytes };
    });
  }

  /** Makes operations fail, or hold, as the rule says; returns how to remove it. */
  inject(rule: FaultRule): () => void {
    return this.faults.add(rule);
  }

  /** Stops for good after so many more operations have ended: what is under way then never ends. Resolves when stopped. */
  stopAfter(operations: number): Promise<void> {
    return this.queue.stopAfter(operations);
  }

  /** The disk as a process finds it that starts on a machine that lost power now. This one is stopped. */
  crash(random: SeededRandom = this.random): MemoryDisk {
    this.stop(random, true);
    this.counters.powerLosses += 1;
    const clone = new MemoryDisk({ ...this.options, random: random.fork(), counters: this.counters });
    clone.root = this.root.afterPowerLoss(
      { random, counters: this.counters, sectorsAreAtomic: this.options.sectorsAreAtomic ?? true },
      new Map(),
    );
    return clone;
  }

  /** The disk as a process finds it that starts after this one was killed: written bytes are readable, though not durable. */
  kill(random: SeededRandom = this.random): MemoryDisk {
    this.stop(random, false);
    this.counters.kills += 1;
    const clone = new MemoryDisk({ ...this.options, random: random.fork(), counters: this.counters });
    clone.root = this.root.afterKill(new NodeCopies());
    return clone;
  }

  /** Turns one bit of a file over, in the cache and on the medium. */
  flipBit(path: string, offset: number, bit: number): void {
    this.fileAt(path).flipBit(offset, bit);
    this.counters.flippedBits += 1;
  }

  /** The bytes of a file as they are read; without an operation. */
  contentOf(path: string): Buffer {
    return this.fileAt(path).content();
  }

  /** The bytes of a file that a power loss would certainly leave; without an operation. */
  durableContentOf(path: string): Buffer {
    return this.fileAt(path).durableContent();
  }

  /** Paths of all files; without an operation. */
  filePaths(): string[] {
    return [...this.root.walk('')].filter(({ node }) => node instanceof MemoryFile).map(({ path }) => path);
  }

  /** The machine has stopped: nothing that is under way on this disk will ever end. */
  get isStopped(): boolean {
    return this.queue.hasStopped;
  }

  /** Set where the owner used the memory of a write for something else while it was under way. */
  get misuse(): Error | undefined {
    return this.misused;
  }

  /** Some operations have not ended yet. */
  get isBusy(): boolean {
    return this.queue.length > 0;
  }

  get operationsCompleted(): number {
    return this.queue.completed;
  }

  /** Runs one operation in its turn, unless a fault is drawn for it. For the files of this disk. */
  run<T>(operation: Operation, path: string, effect: () => T, onFault?: (rule: FaultRule) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const turn = (): void => {
        this.counters.operations += 1;
        try {
          const rule = this.faults.draw(operation, path);
          if (rule === undefined) {
            resolve(effect());
            return;
          }
          this.counters.faults += 1;
          onFault?.(rule);
          reject(diskError(rule.fault, operation, path));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      this.queue.submit(turn, () => this.faults.isHeld(operation, path));
    });
  }

  /** A write of a file of this disk: a crash while it is under way leaves any part of it. */
  async write(operation: 'write' | 'durableWrite', path: string, asked: AskedWrite, onDone: () => void): Promise<void> {
    const write = { ...asked, path, bytes: Buffer.concat(asked.chunks) };
    const { bytes } = write;
    this.inFlight.add(write);
    try {
      const full = (): void => {
        this.lookForMisuse(write);
        this.refuseBeyondCapacity(path, write.file, write.position + bytes.length);
        write.file.change({ kind: 'write', position: write.position, bytes });
        onDone();
      };
      const failed = (rule: FaultRule): void => {
        this.lookForMisuse(write);
        const done = rule.isPartial === true ? this.random.integer(0, bytes.length - 1) : 0;
        const left = rule.fault === 'EIO' && operation === 'durableWrite' ? bytes : bytes.subarray(0, done);
        if (left.length > 0) write.file.change({ kind: 'write', position: write.position, bytes: left });
        if (rule.fault === 'EIO') write.file.failSync(write.file.mark());
      };
      await this.run(operation, path, full, failed);
    } finally {
      this.inFlight.delete(write);
    }
  }

  private lookForMisuse({ path, bytes, chunks }: InFlightWrite): void {
    if (bytes.equals(Buffer.concat(chunks))) return;
    this.misused ??= new Error(`the memory of a write to ${path} was used for something else before the write had ended`);
  }

  private refuseBeyondCapacity(path: string, file: MemoryFile, end: number): void {
    const { capacityBytes } = this.options;
    if (capacityBytes === undefined || end <= file.size) return;
    if (this.takenBytes() + end - file.size > capacityBytes) throw diskError('ENOSPC', 'write', path);
  }

  private takenBytes(): number {
    let bytes = 0;
    for (const { node } of this.root.walk('')) if (node instanceof MemoryFile) bytes += node.size;
    return bytes;
  }

  /** Leaves some of what is under way half done. */
  private stop(random: SeededRandom, isPowerLoss: boolean): void {
    this.queue.stop();
    for (const write of this.inFlight) {
      this.lookForMisuse(write);
      const { file, position, bytes } = write;
      const done = isPowerLoss || random.chance(0.4) ? bytes.length : random.integer(0, bytes.length);
      const change: FileChange = { kind: 'write', position, bytes: bytes.subarray(0, done) };
      if (done > 0 && random.chance(0.8)) file.change(change);
    }
    this.inFlight.clear();
  }

  private create(path: string): MemoryFile {
    const { directory, name } = this.parentOf(path);
    if (directory.entries.has(name)) throw diskError('EEXIST', 'open', path);
    const node = new MemoryFile();
    MemoryDirectory.commit([{ directory, name, node }]);
    return node;
  }

  private fileAt(path: string): MemoryFile {
    const node = this.find(path);
    if (node === undefined) throw diskError('ENOENT', 'open', path);
    if (node instanceof MemoryDirectory) throw diskError('EISDIR', 'open', path);
    return node;
  }

  private directoryAt(path: string): MemoryDirectory {
    const node = this.find(path);
    if (node === undefined) throw diskError('ENOENT', 'scandir', path);
    if (node instanceof MemoryFile) throw diskError('ENOTDIR', 'scandir', path);
    return node;
  }

  private parentOf(path: string): { directory: MemoryDirectory; name: string } {
    const cut = path.lastIndexOf('/');
    return { directory: this.directoryAt(path.slice(0, cut)), name: path.slice(cut + 1) };
  }

  private find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      node = node instanceof MemoryDirectory ? node.entries.get(name) : undefined;
      if (node === undefined) return undefined;
    }
    return node;
  }
}

class OpenFile implements DiskFile {
  private isClosed = false;

  constructor(
    private readonly disk: MemoryDisk,
    readonly path: string,
    private readonly file: MemoryFile,
    private readonly isReadOnly: boolean,
  ) {}

  size(): Promise<number> {
    return this.disk.run('size', this.path, () => this.file.size);
  }

  async write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    this.refuseChange();
    await this.disk.write('write', this.path, { file: this.file, position, chunks }, () => undefined);
  }

  read(position: number, into: Uint8Array): Promise<number> {
    return this.disk.run('read', this.path, () => this.file.read(position, into));
  }

  readSync(position: number, into: Uint8Array): number {
    return this.file.read(position, into);
  }

  async datasync(): Promise<void> {
    this.refuseChange();
    const mark = this.file.mark();
    await this.disk.run(
      'datasync',
      this.path,
      () => this.file.sync(mark),
      () => this.file.failSync(mark),
    );
  }

  async truncate(size: number): Promise<void> {
    this.refuseChange();
    await this.disk.run('truncate', this.path, () => this.file.change({ kind: 'truncate', size }));
  }

  close(): Promise<void> {
    this.isClosed = true;
    return this.disk.run('close', this.path, () => undefined);
  }

  private refuseChange(): void {
    if (this.isClosed || this.isReadOnly) throw diskError('EBADF', 'write', this.path);
  }
}

class OpenDurableFile implements DurableFile {
  private isWriting = false;
  private isClosed = false;

  constructor(
    private readonly disk: MemoryDisk,
    readonly path: string,
    private readonly file: MemoryFile,
  ) {}

  async write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    if (this.isWriting || this.isClosed)
      throw new Error(`${this.path}: ${this.isClosed ? 'closed' : 'a write is in flight already'}`);
    this.isWriting = true;
    try {
      const { file } = this;
      const end = chunks.reduce((sum, chunk) => sum + chunk.length, position);
      if (end > file.size)
        throw new Error(`${this.path}: a durable write up to ${end} leaves the ${file.size} preallocated bytes`);
      await this.disk.write('durableWrite', this.path, { file, position, chunks }, () => file.sync(file.mark().slice(-1)));
    } finally {
      this.isWriting = false;
    }
  }

  close(): Promise<void> {
    this.isClosed = true;
    return this.disk.run('close', this.path, () => undefined);
  }
}

/** A group's writes are operations of their own: they end in any order, fail one by one, and a crash comes between them. */
class MemoryFileWriter implements FileWriter {
  private isWriting = false;
  private isClosed = false;

  /** Turns take no time here. */
  endOfTurn(): Promise<void> {
    return Promise.resolve();
  }

  async write(group: readonly FileWrite[]): Promise<readonly (Error | undefined)[]> {
    if (this.isWriting || this.isClosed) throw new Error(this.isClosed ? 'the writer is closed' : 'a group is in flight already');
    if (new Set(group.map(({ file }) => file.path)).size < group.length) throw new Error('a group holds two writes to one file');
    this.isWriting = true;
    try {
      const ended = await Promise.allSettled(group.map(({ file, position, chunks }) => file.write(position, chunks)));
      return ended.map((write) => (write.status === 'fulfilled' ? undefined : errorOf(write.reason)));
    } finally {
      this.isWriting = false;
    }
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

function errorOf(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function empty(directory: MemoryDirectory): void {
  for (const [name, node] of [...directory.entries]) {
    if (node instanceof MemoryDirectory) empty(node);
    MemoryDirectory.commit([{ directory, name, node: undefined }]);
  }
}
