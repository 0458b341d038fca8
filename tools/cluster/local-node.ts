import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { NodePlan } from './node-plan';

/** Longer than a node gives itself (stop_timeout_ms). */
const STOPS_WITHIN_MS = 20_000;
const TAIL_BYTES = 4_096;

/** How a process ended. */
export interface NodeEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last line of its log. */
  readonly lastLine: string;
}

/** One node as a process, which writes its log to a file. */
export class LocalNode {
  readonly pid: number | undefined;
  private readonly child: ChildProcess;
  private endOfProcess: NodeEnd | undefined;
  private readonly whenEnded: Promise<void>;

  /** Starts `streamline`, the file of that command. */
  constructor(
    readonly plan: NodePlan,
    streamline: string,
  ) {
    const log = openSync(plan.logFile, 'a');
    // A process group of its own: the terminal's ^C reaches only this tool, which stops the nodes in order.
    this.child = spawn(streamline, plan.flags, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.pid = this.child.pid;
    this.whenEnded = this.watch();
  }

  /** How it ended; undefined as long as it runs. */
  get end(): NodeEnd | undefined {
    return this.endOfProcess;
  }

  /** Asks it to stop, waits, and kills it where it takes too long. */
  async stop(): Promise<NodeEnd | undefined> {
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.kill(), STOPS_WITHIN_MS);
    await this.whenEnded;
    clearTimeout(late);
    return this.endOfProcess;
  }

  /** Ends it at once. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  private async watch(): Promise<void> {
    try {
      const [code, signal] = (await once(this.child, 'exit')) as [number | null, NodeJS.Signals | null];
      this.endOfProcess = { code, signal, lastLine: await lastLineOf(this.plan.logFile) };
    } catch (error) {
      this.endOfProcess = { code: null, signal: null, lastLine: String(error) };
    }
  }
}

/** The last line of a file that holds more than spaces; empty when there is none. */
export async function lastLineOf(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const length = Math.min(TAIL_BYTES, size);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.subarray(0, bytesRead).toString().split('\n');
    return lines.findLast((line) => line.trim() !== '')?.trim() ?? '';
  } finally {
    await handle.close();
  }
}
