import type { ModelLog } from './model-log';
import { BrokerProcess } from './broker-process';
import type { Surroundings } from './surroundings';
import type { Endpoint } from './network';

/** How the process before this one ended, as far as its disk is concerned. */
export type LastEnd = 'clean' | 'killed' | 'power' | 'new-disk';

/** A broker's machine: its disk, which outlives processes, and the process that runs on it. */
export class Machine implements Endpoint {
  readonly logs = new Map<number, ModelLog>();
  /** High watermarks as they were written down now and then. */
  readonly rememberedHighWatermarks = new Map<number, number>();
  process: BrokerProcess | undefined;
  lastEnd: LastEnd = 'clean';
  /** Power was lost, and the registration that tells so is not made yet: what page-cache partitions acknowledged may be missing. */
  isUncertain = false;
  /** When it last lost power or its disk: leaders may still count what it acknowledged before. */
  lastLossMs = -Infinity;
  slowness = 1;
  /** There is no space for records. */
  isFull = false;
  #isPaused = false;
  #backlog: (() => void)[] = [];

  constructor(
    readonly id: number,
    private readonly all: Surroundings,
  ) {}

  get isUp(): boolean {
    return this.process !== undefined;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  start(): void {
    if (this.process !== undefined) return;
    this.process = new BrokerProcess(this, this.all);
    this.process.start();
  }

  /** The process ends. What survives of the logs: what was written, or only what was durable; of the rest any first part. */
  crash(how: 'kill' | 'power'): void {
    if (this.process === undefined && how === 'kill') return;
    this.#end();
    for (const [partition, log] of this.logs) {
      const least = how === 'kill' ? log.writtenOperations : log.durableOperations;
      const kept = this.all.random.integer(least, log.operationCount);
      this.logs.set(partition, log.recovered(kept, how, this.all.controller.rules[partition]?.durability ?? 'fsync'));
    }
    if (how === 'power') this.#noteLoss();
    if (this.lastEnd !== 'power' && this.lastEnd !== 'new-disk') this.lastEnd = how === 'kill' ? 'killed' : 'power';
    this.all.counters[how === 'kill' ? 'kills' : 'powerLosses'] += 1;
  }

  /** A clean stop, after the broker has given its leaderships away: everything is synced. */
  stopCleanly(): void {
    this.#end();
    this.syncLogs();
    if (this.lastEnd === 'killed') this.lastEnd = 'clean';
    this.all.counters.cleanStops += 1;
  }

  wipe(): void {
    if (this.process !== undefined) this.#end();
    this.logs.clear();
    this.rememberedHighWatermarks.clear();
    this.lastEnd = 'new-disk';
    this.#noteLoss();
    this.all.counters.wipedDisks += 1;
  }

  pause(): void {
    if (this.process !== undefined) this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const task of backlog) task();
  }

  /** Runs a task of a process, unless it has ended; later, if it stands still. */
  run(process: BrokerProcess, task: () => void): void {
    if (this.process !== process) return;
    if (this.#isPaused) this.#backlog.push(() => this.run(process, task));
    else task();
  }

  connected(peer: number): void {
    const { process } = this;
    if (process !== undefined) this.run(process, () => process.connected(peer));
  }

  disconnected(peer: number): void {
    const { process } = this;
    if (process !== undefined) this.run(process, () => process.disconnected(peer));
  }

  receive(from: number, message: unknown): void {
    const { process } = this;
    if (process !== undefined) this.run(process, () => process.receive(from, message));
  }

  /** S-8: a broker registers only with what is on its disk for certain. */
  syncLogs(): void {
    for (const log of this.logs.values()) log.sync();
  }

  #noteLoss(): void {
    this.isUncertain = true;
    this.lastLossMs = this.all.events.nowMs;
  }

  #end(): void {
    this.process = undefined;
    this.#isPaused = false;
    this.#backlog = [];
    this.all.network.closed(this.id);
  }
}
