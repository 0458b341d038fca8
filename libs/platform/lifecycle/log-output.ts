import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

export interface LogOutputOptions {
  readonly fd: number;
  /** Lines beyond this that wait for a reader which does not read are dropped, and counted. */
  readonly waitingBytesMax: number;
}

const RETRY_MS = 50;
/** How long the end of the process waits for a slow reader. */
const FINAL_WAIT_MS = 500;
const FINAL_PAUSE_MS = 5;

/**
 * A pipe is opened anew without blocking: who reads our log may stop to, and that must not stop the node. Files and
 * terminals do not have that problem and stay what they are.
 */
function openOutput(fd: number): { readonly fd: number; readonly isOwn: boolean } {
  try {
    if (!fstatSync(fd).isFIFO()) return { fd, isOwn: false };
    return { fd: openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK), isOwn: true };
  } catch {
    return { fd, isOwn: false };
  }
}

/**
 * Writes log lines in order, each at once where the reader keeps up: a line is out when the call returns, so the last one
 * before a crash is not lost. Never blocks on a pipe.
 */
export class LogOutput implements DestinationStream {
  private readonly output: { readonly fd: number; readonly isOwn: boolean };
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private dropped = 0;
  private isBroken = false;
  private retry: NodeJS.Timeout | undefined;

  constructor(private readonly options: LogOutputOptions) {
    this.output = openOutput(options.fd);
  }

  write(line: string): void {
    if (this.isBroken) return;
    const bytes = Buffer.from(line);
    if (this.waitingBytes + bytes.length > this.options.waitingBytesMax) {
      this.dropped++;
      return;
    }
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    if (this.retry === undefined) this.drain();
  }

  /** Called by pino after a fatal line. */
  flushSync(): void {
    const pause = new Int32Array(new SharedArrayBuffer(4));
    const end = performance.now() + FINAL_WAIT_MS;
    while (!this.isBroken && this.waiting.length > 0 && performance.now() < end) {
      if (!this.writeWaiting()) Atomics.wait(pause, 0, 0, FINAL_PAUSE_MS);
    }
  }

  close(): void {
    clearTimeout(this.retry);
    this.flushSync();
    this.isBroken = true;
    if (this.output.isOwn) closeSync(this.output.fd);
  }

  private drain(): void {
    this.retry = undefined;
    if (this.writeWaiting()) return;
    this.retry = setTimeout(() => this.drain(), RETRY_MS);
    this.retry.unref();
  }

  /** True when nothing waits any more. */
  private writeWaiting(): boolean {
    for (let head = this.waiting[0]; head !== undefined; head = this.waiting[0]) {
      const written = this.tryWrite(head);
      if (written === undefined) return this.isBroken;
      this.waitingBytes -= written;
      if (written < head.length) this.waiting[0] = head.subarray(written);
      else this.waiting.shift();
    }
    this.tellDropped();
    return true;
  }

  /** Bytes written; undefined where the reader is not ready or gone. */
  private tryWrite(bytes: Buffer): number | undefined {
    try {
      return writeSync(this.output.fd, bytes);
    } catch (error) {
      // EAGAIN: the pipe is full. Anything else: nobody will ever read this, and there is nowhere left to say so.
      this.isBroken = (error as NodeJS.ErrnoException).code !== 'EAGAIN';
      return undefined;
    }
  }

  private tellDropped(): void {
    if (this.dropped === 0) return;
    const entry = {
      level: 'warn',
      time: new Date().toISOString(),
      lines: this.dropped,
      msg: 'log lines were dropped: nobody read them',
    };
    this.dropped = 0;
    this.write(`${JSON.stringify(entry)}\n`);
  }
}
