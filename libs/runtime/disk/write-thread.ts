import { Worker } from 'node:worker_threads';
import { WriteRequest } from './write-request';
import { CONTROL_WORDS, MESSAGES, REQUEST, STOP, WRITE_THREAD_PROGRAM } from './write-thread-program';
import type { ThreadAnswer } from './write-thread-program';

/** A write to one file. */
export interface ThreadWrite {
  readonly descriptor: number;
  readonly position: number;
  readonly chunks: readonly Uint8Array[];
  /** Followed by an fdatasync. */
  readonly needsSync: boolean;
}

/** It has little of its own; without a bound its garbage grows to several times as much before it is collected. */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

/** Of each write that was asked for, in order: why it failed, or undefined. */
export type WriteResults = readonly (Error | undefined)[];

interface Waiting {
  readonly resolve: (answer: ThreadAnswer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread that does nothing but writes, one request at a time, so that they never queue behind other work of the thread pool (J-8), and that
 * only it waits where the platform holds writers back. Bytes in shared memory are written from where they are; others are copied once. Waking
 * the thread is a futex, its answer a message (docs/spec/journal.md has the measurements).
 */
export class WriteThread {
  private readonly control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT));
  private readonly request = new WriteRequest((memory) => this.numberOf(memory));
  private readonly worker: Worker;
  private readonly numbers = new WeakMap<SharedArrayBuffer, number>();
  /** The owner let go of a memory: so does the thread. */
  private readonly gone = new FinalizationRegistry<number>((number) => this.forget(number));
  private lastNumber = 0;
  private waiting: Waiting | undefined;
  private failure: Error | undefined;
  private tail: Promise<void> = Promise.resolve();
  private queued = 0;

  constructor(name: string) {
    const { control, request } = this;
    this.worker = new Worker(WRITE_THREAD_PROGRAM, {
      eval: true,
      name,
      execArgv: [],
      resourceLimits: HEAP_LIMITS,
      workerData: { control: control.buffer, words: request.words.buffer, staging: request.staging.buffer },
    });
    this.worker.on('message', (answer: ThreadAnswer) => this.answered(answer));
    this.worker.on('error', (error) => this.died(error));
    this.worker.on('exit', (code) => this.died(new Error(`the ${name} thread ended with code ${code}`)));
  }

  /**
   * Does the writes in order; a failed one does not keep the others from being done. Calls are served in turn. Chunks must not change before
   * the promise settles.
   */
  write(writes: readonly ThreadWrite[]): Promise<WriteResults> {
    return this.inTurn(() => this.perform(writes));
  }

  /** Ends the thread once everything that was asked for is answered. */
  async close(): Promise<void> {
    await this.tail;
    this.failure ??= new Error('the writing thread is closed');
    Atomics.store(this.control, STOP, 1);
    this.wake();
    this.worker.unref();
  }

  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.queued === 0 ? task() : this.tail.then(task);
    this.queued += 1;
    const settled = (): void => {
      this.queued -= 1;
    };
    this.tail = result.then(settled, settled);
    return result;
  }

  private async perform(writes: readonly ThreadWrite[]): Promise<WriteResults> {
    const results = new Array<Error | undefined>(writes.length).fill(undefined);
    let inRequest: number[] = [];
    const submit = async (): Promise<void> => {
      const answer = await this.submit();
      for (const [at, failure] of (answer ?? []).entries()) {
        const write = inRequest[at];
        if (failure !== undefined && write !== undefined) results[write] ??= Object.assign(new Error(failure.message), failure);
      }
      inRequest = [];
      this.request.clear();
    };
    this.request.clear();
    for (const [index, { descriptor, position, chunks, needsSync }] of writes.entries()) {
      let at = position;
      for (const chunk of chunks) {
        for (let from = 0; from < chunk.length && results[index] === undefined;) {
          if (this.request.isFull) await submit();
          else {
            if (inRequest.at(-1) !== index) {
              this.request.begin(descriptor, at, needsSync);
              inRequest.push(index);
            }
            const added = this.request.add(chunk, from);
            from += added;
            at += added;
          }
        }
      }
    }
    if (inRequest.length > 0) await submit();
    return results;
  }

  private submit(): Promise<ThreadAnswer> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.wake();
    });
  }

  private wake(): void {
    Atomics.add(this.control, REQUEST, 1);
    Atomics.notify(this.control, REQUEST);
  }

  private numberOf(memory: SharedArrayBuffer): number {
    const known = this.numbers.get(memory);
    if (known !== undefined) return known;
    this.lastNumber += 1;
    this.numbers.set(memory, this.lastNumber);
    this.gone.register(memory, this.lastNumber);
    this.tell({ number: this.lastNumber, memory });
    return this.lastNumber;
  }

  private forget(number: number): void {
    if (this.failure !== undefined) return;
    this.tell({ number });
    const lookForMessages = (): Promise<ThreadAnswer> => {
      this.request.clear();
      return this.submit();
    };
    this.inTurn(lookForMessages).catch(() => undefined);
  }

  private tell(message: { readonly number: number; readonly memory?: SharedArrayBuffer }): void {
    this.worker.postMessage(message);
    Atomics.add(this.control, MESSAGES, 1);
  }

  private answered(answer: ThreadAnswer): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.resolve(answer);
  }

  private died(error: Error): void {
    this.failure ??= error;
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.reject(error);
  }
}
