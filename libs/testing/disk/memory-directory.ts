import { MemoryFile } from './memory-file';
import type { PowerLoss } from './memory-file';

export type DiskNode = MemoryFile | MemoryDirectory;

/** One name set or removed; a rename is two of them, which are durable together or not at all. */
export interface NameChange {
  readonly directory: MemoryDirectory;
  readonly name: string;
  readonly node: DiskNode | undefined;
}

/** Changes that happen as one. */
export type NameTransaction = readonly NameChange[];

/** Names as they are seen, as they are on the disk, and the changes that lie between. */
export class MemoryDirectory {
  readonly entries = new Map<string, DiskNode>();
  private readonly durable = new Map<string, DiskNode>();
  private pending: NameTransaction[] = [];

  /** What a sync that is submitted now will cover. */
  mark(): readonly NameTransaction[] {
    return [...this.pending];
  }

  /** Makes transactions durable, in all directories that they touch. */
  static sync(mark: readonly NameTransaction[]): void {
    for (const transaction of mark) {
      const directories = new Set(transaction.map((change) => change.directory));
      for (const directory of directories) {
        if (!directory.pending.includes(transaction)) continue;
        for (const change of transaction) if (change.directory === directory) set(directory.durable, change.name, change.node);
        directory.pending = directory.pending.filter((other) => other !== transaction);
      }
    }
  }

  static commit(transaction: NameTransaction): void {
    for (const { directory, name, node } of transaction) {
      set(directory.entries, name, node);
      if (!directory.pending.includes(transaction)) directory.pending.push(transaction);
    }
  }

  /** All files and directories below, with their paths. */
  *walk(path: string): Generator<{ readonly path: string; readonly node: DiskNode }> {
    for (const [name, node] of this.entries) {
      const below = `${path}/${name}`;
      yield { path: below, node };
      if (node instanceof MemoryDirectory) yield* node.walk(below);
    }
  }

  afterKill(copies: NodeCopies): MemoryDirectory {
    const copy = new MemoryDirectory();
    copies.set(this, copy);
    for (const [name, node] of this.entries) copy.entries.set(name, killed(node, copies));
    for (const [name, node] of this.durable) copy.durable.set(name, killed(node, copies));
    copy.pending = this.pending.map((transaction) => copies.transaction(transaction, killed));
    return copy;
  }

  afterPowerLoss(loss: PowerLoss, fates: Map<NameTransaction, boolean>): MemoryDirectory {
    const { random, counters } = loss;
    const names = new Map(this.durable);
    const isPrefix = random.chance(0.6);
    const keptFirst = random.integer(0, this.pending.length);
    for (const [index, transaction] of this.pending.entries()) {
      const drawn = isPrefix ? index < keptFirst : random.chance(0.5);
      const isKept = fates.get(transaction) ?? drawn;
      if (!fates.has(transaction)) counters[isKept ? 'keptNames' : 'droppedNames'] += 1;
      fates.set(transaction, isKept);
      if (!isKept) continue;
      for (const { directory, name, node } of transaction) if (directory === this) set(names, name, node);
    }
    const copy = new MemoryDirectory();
    for (const [name, node] of names) {
      const survivor = node instanceof MemoryFile ? node.afterPowerLoss(loss) : node.afterPowerLoss(loss, fates);
      copy.entries.set(name, survivor);
      copy.durable.set(name, survivor);
    }
    return copy;
  }
}

/** Copies of nodes, so that a node that is reached in two ways is copied once. */
export class NodeCopies {
  private readonly copies = new Map<DiskNode, DiskNode>();
  private readonly transactions = new Map<NameTransaction, NameTransaction>();

  get(node: DiskNode): DiskNode | undefined {
    return this.copies.get(node);
  }

  set(node: DiskNode, copy: DiskNode): void {
    this.copies.set(node, copy);
  }

  transaction(original: NameTransaction, copyOf: (node: DiskNode, copies: NodeCopies) => DiskNode): NameTransaction {
    let copy = this.transactions.get(original);
    if (copy === undefined) {
      const changes: NameChange[] = [];
      copy = changes;
      this.transactions.set(original, copy);
      for (const { directory, name, node } of original) {
        const directoryCopy = copyOf(directory, this);
        if (!(directoryCopy instanceof MemoryDirectory)) throw new Error('a directory was copied to a file');
        changes.push({ directory: directoryCopy, name, node: node === undefined ? undefined : copyOf(node, this) });
      }
    }
    return copy;
  }
}

function killed(node: DiskNode, copies: NodeCopies): DiskNode {
  const known = copies.get(node);
  if (known !== undefined) return known;
  if (node instanceof MemoryDirectory) return node.afterKill(copies);
  const copy = node.afterKill();
  copies.set(node, copy);
  return copy;
}

function set(names: Map<string, DiskNode>, name: string, node: DiskNode | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}
