import type { ModelLog } from './model-log';
import type { Surroundings } from './surroundings';
import type { Machine } from './machine';
import type { BrokerProcess } from './broker-process';

/** Writes and syncs the logs of one process: at once for `fsync` partitions, now and then for the others. */
export class ModelDisk {
  #isWriting = false;
  #isSyncing = false;

  constructor(
    private readonly machine: Machine,
    private readonly process: BrokerProcess,
    private readonly all: Surroundings,
    /** The log's operations are to be synced at once. */
    private readonly isUrgent: (partition: number) => boolean,
  ) {}

  touched(): void {
    if (!this.#isWriting) this.#write();
    if (!this.#isSyncing) this.#sync();
  }

  /** Page-cache partitions are synced in the background. */
  startBackground(): void {
    const { random } = this.all;
    this.#after(200 + random.next() * 2_000, () => {
      this.#advanceTo(this.#snapshot(() => true));
      this.startBackground();
    });
  }

  #write(): void {
    this.#isWriting = true;
    const ends = this.#snapshot(() => true);
    this.#after(0.02 + this.all.random.next() * 0.5 * this.machine.slowness, () => {
      this.#isWriting = false;
      for (const [log, operations] of ends.values()) log.writtenOperations = Math.max(log.writtenOperations, operations);
      this.process.logsProgressed([...ends.keys()]);
      if (
        this.#isBehind(
          (log) => log.writtenOperations,
          () => true,
        )
      )
        this.#write();
    });
  }

  #sync(): void {
    this.#isSyncing = true;
    const ends = this.#snapshot(this.isUrgent);
    this.#after(0.1 + this.all.random.next() * 4 * this.machine.slowness, () => {
      this.#isSyncing = false;
      this.#advanceTo(ends);
      if (this.#isBehind((log) => log.durableOperations, this.isUrgent)) this.#sync();
    });
  }

  #advanceTo(ends: ReadonlyMap<number, readonly [ModelLog, number]>): void {
    for (const [log, operations] of ends.values()) {
      log.durableOperations = Math.max(log.durableOperations, operations);
      log.writtenOperations = Math.max(log.writtenOperations, operations);
    }
    this.process.logsProgressed([...ends.keys()]);
  }

  #snapshot(isWanted: (partition: number) => boolean): Map<number, readonly [ModelLog, number]> {
    const ends = new Map<number, readonly [ModelLog, number]>();
    for (const [partition, log] of this.machine.logs) if (isWanted(partition)) ends.set(partition, [log, log.operationCount]);
    return ends;
  }

  #isBehind(doneOf: (log: ModelLog) => number, isWanted: (partition: number) => boolean): boolean {
    return [...this.machine.logs].some(([partition, log]) => isWanted(partition) && doneOf(log) < log.operationCount);
  }

  #after(delayMs: number, task: () => void): void {
    this.all.events.after(delayMs, () => this.machine.run(this.process, task));
  }
}
