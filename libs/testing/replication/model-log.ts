import { EpochHistory } from '@streamline/core/log/epoch-history';
import type { EpochEntry } from '@streamline/core/log/epoch-history';
import { ProducerTable, producersAfterCut } from '@streamline/core/log/producer-table';
import type { Durability, LogFacts } from '@streamline/core/replication/types';
import type { Offset } from '@streamline/core/types/ids';
import { Violation } from '@streamline/testing/raft/violation';

/** What a client sends; numbered by it. */
export interface ClientBatch {
  /** One for each batch that a client makes, however often it is sent. */
  readonly id: number;
  readonly records: number;
  /** -1: not idempotent. */
  readonly producerId: number;
  readonly baseSequence: number;
}

export interface ModelBatch extends ClientBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly epoch: number;
}

type LogOperation =
  | { readonly kind: 'append'; readonly batch: ModelBatch }
  | { readonly kind: 'truncate'; readonly offset: number }
  | { readonly kind: 'start-at'; readonly offset: number }
  | { readonly kind: 'epoch'; readonly epoch: number }
  | { readonly kind: 'log-start'; readonly offset: number };

/** Batches that are read from memory; older ones take a read of a segment. */
const TAIL_BATCHES = 4;

/**
 * A partition's log as a list of operations, of which a first part is durable and another is written: exactly what a journal promises.
 * What a crash leaves is some first part again, and the log is made from it anew.
 */
export class ModelLog implements LogFacts {
  batches: ModelBatch[] = [];
  isOffline = false;
  /** Operations that survive the end of the process, and a power loss. */
  writtenOperations = 0;
  durableOperations = 0;
  #operations: LogOperation[] = [];
  /** Of each batch, its place among the operations. */
  #places: number[] = [];
  #history = new EpochHistory();
  #producers = new ProducerTable();
  #start = 0;
  #end = 0;

  constructor(operations: readonly LogOperation[] = []) {
    for (const operation of operations) this.#do(operation);
    this.writtenOperations = this.durableOperations = operations.length;
  }

  get startOffset(): Offset {
    return this.#start as Offset;
  }

  get endOffset(): Offset {
    return this.#end as Offset;
  }

  get writtenEndOffset(): Offset {
    return this.#endAt(this.writtenOperations);
  }

  get durableEndOffset(): Offset {
    return this.#endAt(this.durableOperations);
  }

  get tailStartOffset(): Offset {
    return (this.batches[Math.max(0, this.batches.length - TAIL_BATCHES)]?.baseOffset ?? this.#end) as Offset;
  }

  get epochs(): readonly EpochEntry[] {
    return this.#history.all();
  }

  get operationCount(): number {
    return this.#operations.length;
  }

  get producers(): ProducerTable {
    return this.#producers;
  }

  /** The log that is found after a crash that kept so many operations; without a power loss a later one may still take some of them. */
  recovered(operations: number, how: 'kill' | 'power', durability: Durability): ModelLog {
    const log = new ModelLog(this.#operations.slice(0, operations));
    if (how === 'kill') log.durableOperations = Math.min(this.durableOperations, operations);
    else if (durability === 'page-cache') log.#keepEpochsOf(this.#operations.slice(operations, this.writtenOperations));
    return log;
  }

  /** Epochs stand in a journal ahead of what is written after them: they stay where the page cache is lost, and begin at the end that is left (LOG-6). */
  #keepEpochsOf(lost: readonly LogOperation[]): void {
    const cut = lost.findIndex(({ kind }) => kind === 'truncate' || kind === 'start-at');
    for (const operation of cut < 0 ? lost : lost.slice(0, cut)) {
      if (operation.kind === 'epoch') this.beginEpoch(operation.epoch);
      if (operation.kind === 'append') this.beginEpoch(operation.batch.epoch);
    }
    this.sync();
  }

  /** Everything is on the disk. */
  sync(): void {
    this.durableOperations = this.writtenOperations = this.#operations.length;
  }

  beginEpoch(epoch: number): void {
    if (epoch > this.#history.latestEpoch) this.#do({ kind: 'epoch', epoch });
  }

  appendAsLeader(batch: ClientBatch): ModelBatch {
    const placed = {
      ...batch,
      baseOffset: this.#end,
      lastOffset: this.#end + batch.records - 1,
      epoch: this.#history.latestEpoch,
    };
    this.#do({ kind: 'append', batch: placed });
    return placed;
  }

  appendAsFollower(batches: readonly ModelBatch[]): void {
    for (const batch of batches) this.#do({ kind: 'append', batch });
  }

  truncate(offset: number): void {
    this.#do({ kind: 'truncate', offset });
  }

  startAt(offset: number): void {
    this.#do({ kind: 'start-at', offset });
  }

  raiseStart(offset: number): void {
    if (offset > this.#start) this.#do({ kind: 'log-start', offset });
  }

  /** Whole batches from the one that holds `from` on, at least one. */
  read(from: number, batchesMax: number): readonly ModelBatch[] {
    const first = firstWhere(this.batches.length, (at) => (this.batches[at]?.lastOffset ?? 0) >= from);
    return this.batches.slice(first, first + batchesMax);
  }

  batchAt(offset: number): ModelBatch | undefined {
    const [batch] = this.read(offset, 1);
    return batch !== undefined && batch.baseOffset <= offset ? batch : undefined;
  }

  #do(operation: LogOperation): void {
    this.#operations.push(operation);
    switch (operation.kind) {
      case 'append':
        return this.#append(operation.batch);
      case 'truncate':
        return this.#keep(operation.offset);
      case 'start-at':
        this.#keep(-1);
        this.#start = this.#end = operation.offset;
        return;
      case 'epoch':
        this.#history.begin(operation.epoch, this.#end);
        return;
      case 'log-start':
        this.#start = operation.offset;
        this.#history.advanceStart(operation.offset);
        this.#drop((batch) => batch.lastOffset < operation.offset);
    }
  }

  #append(batch: ModelBatch): void {
    if (batch.baseOffset !== this.#end) {
      throw new Violation('log-contract', `a batch at ${batch.baseOffset} is appended to a log that ends at ${this.#end}`);
    }
    if (batch.epoch < this.#history.latestEpoch) {
      throw new Violation('log-contract', `a batch of epoch ${batch.epoch} follows epoch ${this.#history.latestEpoch}`);
    }
    this.#history.begin(batch.epoch, batch.baseOffset);
    this.batches.push(batch);
    this.#places.push(this.#operations.length);
    this.#end = batch.lastOffset + 1;
    this.#remember(batch);
  }

  #remember(batch: ModelBatch): void {
    if (batch.producerId >= 0)
      this.#producers.apply({ ...batch, producerEpoch: 0, lastOffsetDelta: batch.records - 1 }, batch.baseOffset, 0);
  }

  #keep(end: number): void {
    if (end >= 0 && end < this.#end && this.batchAt(end)?.baseOffset !== end) {
      throw new Violation('log-contract', `the log is cut at ${end}, where no batch begins`);
    }
    this.#drop((batch) => batch.lastOffset >= end);
    this.#end = Math.min(this.#end, end);
    this.#start = Math.min(this.#start, Math.max(end, 0));
    this.#history.truncateTo(end);
    const remembered = [...this.#producers.all()];
    this.#producers = new ProducerTable();
    for (const batch of this.batches) this.#remember(batch);
    this.#producers = new ProducerTable(producersAfterCut(this.#producers, remembered, end));
  }

  #drop(isGone: (batch: ModelBatch) => boolean): void {
    this.#places = this.#places.filter((_, at) => {
      const batch = this.batches[at];
      return batch !== undefined && !isGone(batch);
    });
    this.batches = this.batches.filter((batch) => !isGone(batch));
  }

  /** How far the log is made of the first operations. */
  #endAt(operations: number): Offset {
    const last = firstWhere(this.#places.length, (at) => (this.#places[at] ?? 0) > operations) - 1;
    const end = (this.batches[last]?.lastOffset ?? this.#start - 1) + 1;
    return Math.max(end, Math.min(this.#start, this.#end)) as Offset;
  }
}

/** The first place at which something is so that is so from there on; `length` where it is nowhere. */
function firstWhere(length: number, isSo: (at: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isSo(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
