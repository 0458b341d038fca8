import { Worker } from 'node:worker_threads';

/**
 * Bytes of the staging area: what is larger is written in several pieces, one after the other. Memory is only taken for
 * what was ever used of it.
 */
const STAGING_BYTES = 4 * 1024 * 1024;

/** Words of the control area, shared with the source below. */
const REQUEST = 0;
const DESCRIPTOR = 1;
const LENGTH = 2;
const NEEDS_SYNC = 3;
const CONTROL_WORDS = 4;
const NO_DESCRIPTOR = -1;

/**
 * The thread's whole program. A string, so that it needs no file of its own when the program is bundled into one.
 * It sleeps until the request number changes, writes what is staged (going on after short writes) and answers with
 * undefined or with the error's fields.
 */
const SOURCE = `'use strict';
const { parentPort, workerData } = require('node:worker_threads');
const fs = require('node:fs');
const control = new Int32Array(workerData.control);
const position = new Float64Array(workerData.position);
const staging = new Uint8Array(workerData.staging);
function write() {
  const length = control[${LENGTH}];
  for (let done = 0; done < length; ) {
    const written = fs.writeSync(control[${DESCRIPTOR}], staging, done, length - done, position[0] + done);
    if (written === 0) throw Object.assign(new Error('EIO: the write made no progress'), { code: 'EIO', syscall: 'write' });
    done += written;
  }
  if (control[${NEEDS_SYNC}] !== 0) fs.fdatasyncSync(control[${DESCRIPTOR}]);
}
for (let seen = 0; ; ) {
  Atomics.wait(control, ${REQUEST}, seen);
  seen = Atomics.load(control, ${REQUEST});
  if (control[${DESCRIPTOR}] === ${NO_DESCRIPTOR}) break;
  let answer;
  try {
    write();
  } catch (error) {
    answer = { message: error.message, code: error.code, errno: error.errno, syscall: error.syscall };
  }
  parentPort.postMessage(answer);
}
`;

interface ThreadError {
  readonly message: string;
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread that does nothing but durable writes, one at a time, so that they never queue behind other work of the thread
 * pool (J-8). The bytes are copied once, into memory that both threads share; waking the thread is a futex, its answer a
 * message (docs/spec/journal.md has the measurements).
 */
export class DurableThread {
  private readonly control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * Int32Array.BYTES_PER_ELEMENT));
  private readonly position = new Float64Array(new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT));
  private readonly staging = new Uint8Array(new SharedArrayBuffer(STAGING_BYTES));
  private readonly worker: Worker;
  private waiting: Waiting | undefined;
  private failure: Error | undefined;
  private tail: Promise<void> = Promise.resolve();
  private queued = 0;

  constructor(name: string) {
    const { control, position, staging } = this;
    this.worker = new Worker(SOURCE, {
      eval: true,
      name,
      execArgv: [],
      workerData: { control: control.buffer, position: position.buffer, staging: staging.buffer },
    });
    this.worker.on('message', (error: ThreadError | undefined) => this.answered(error));
    this.worker.on('error', (error) => this.died(error));
    this.worker.on('exit', (code) => this.died(new Error(`the durability thread ended with code ${code}`)));
  }

  /** Writes the chunks one after the other from `position` on; durable when resolved. Calls are served in turn. */
  write(descriptor: number, position: number, chunks: readonly Uint8Array[], needsSync: boolean): Promise<void> {
    const piecewise = () => this.writePieces(descriptor, position, chunks, needsSync);
    const result = this.queued === 0 ? piecewise() : this.tail.then(piecewise);
    this.queued += 1;
    const settled = () => {
      this.queued -= 1;
    };
    this.tail = result.then(settled, settled);
    return result;
  }

  /** Ends the thread once everything that was asked for is answered. */
  async close(): Promise<void> {
    await this.tail;
    this.failure ??= new Error('the durability thread is closed');
    this.control[DESCRIPTOR] = NO_DESCRIPTOR;
    this.wake();
    this.worker.unref();
  }

  private async writePieces(
    descriptor: number,
    position: number,
    chunks: readonly Uint8Array[],
    needsSync: boolean,
  ): Promise<void> {
    let staged = 0;
    let at = position;
    for (const chunk of chunks) {
      for (let from = 0; from < chunk.length;) {
        const bytes = Math.min(chunk.length - from, STAGING_BYTES - staged);
        this.staging.set(bytes === chunk.length ? chunk : chunk.subarray(from, from + bytes), staged);
        staged += bytes;
        from += bytes;
        if (staged < STAGING_BYTES) continue;
        await this.submit(descriptor, at, staged, needsSync);
        at += staged;
        staged = 0;
      }
    }
    if (staged > 0) await this.submit(descriptor, at, staged, needsSync);
  }

  private submit(descriptor: number, position: number, bytes: number, needsSync: boolean): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      this.control[DESCRIPTOR] = descriptor;
      this.control[LENGTH] = bytes;
      this.control[NEEDS_SYNC] = needsSync ? 1 : 0;
      this.position[0] = position;
      this.wake();
    });
  }

  private wake(): void {
    Atomics.add(this.control, REQUEST, 1);
    Atomics.notify(this.control, REQUEST);
  }

  private answered(error: ThreadError | undefined): void {
    const waiting = this.waiting;
    this.waiting = undefined;
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(Object.assign(new Error(error.message), error));
  }

  private died(error: Error): void {
    this.failure ??= error;
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.reject(error);
  }
}
