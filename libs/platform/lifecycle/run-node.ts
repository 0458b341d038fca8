import { constants } from 'node:os';
import type { Logger } from 'pino';
import { ExitCode } from '../config/exit-codes';
import { type Component, Lifecycle } from './lifecycle';
import { type FailureContext, reportFailure } from './failure';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
/** A signal that comes again so soon is one that was sent twice. */
const SAME_SIGNAL_MS = 400;
/** Any long time: the timer is there to be pending. */
const KEEP_ALIVE_MS = 3_600_000;
type StopSignal = (typeof STOP_SIGNALS)[number];

export interface RunOptions {
  /** In the order of their start; stopped in the opposite one. */
  readonly components: readonly Component[];
  readonly logger: Logger;
  readonly stopTimeoutMs: number;
  readonly failureContext: FailureContext;
  /** Called once everything runs. */
  onReady(): void;
}

export interface RunningNode {
  /**
   * Nothing may be acknowledged any more (J-9) or an invariant is broken: logs why and ends the process at once, without
   * stopping anything in order; the restart decides from what is on disk.
   */
  fatal(error: unknown): never;
  /** Stops in order, as SIGTERM does. */
  stop(reason: string): void;
  /**
   * The cluster has no place for this node any more. One that serves stops these components and goes on answering operators;
   * one that has not come to serve ends with the refusal.
   */
  withdraw(names: readonly string[], refusal: Error): void;
}

/**
 * Runs a node as this process: starts it, stops it in order on SIGTERM, SIGINT and SIGHUP (exit code 0, or
 * STOP_INCOMPLETE when the deadline passed, or the failure's own where something could not be stopped), ends at once on a second signal or a fatal error. Ends the process itself.
 */
export function runNode(options: RunOptions): RunningNode {
  const run = new NodeRun(options);
  run.begin();
  return run;
}

class NodeRun implements RunningNode {
  private readonly lifecycle: Lifecycle;
  private stopRequested = false;
  private isReady = false;
  private withdrawing: Promise<void> = Promise.resolve();
  private signalled: StopSignal | undefined;
  private signalledAtMs = 0;

  constructor(private readonly options: RunOptions) {
    this.lifecycle = new Lifecycle(options.components, options.logger);
  }

  begin(): void {
    // Nothing else may hold the process while it waits for a peer: timers of the runtime do not.
    setInterval(() => undefined, KEEP_ALIVE_MS);
    for (const signal of STOP_SIGNALS) process.on(signal, () => this.onSignal(signal));
    process.on('uncaughtException', (error) => this.fatal(error));
    process.on('unhandledRejection', (error) => this.fatal(error));
    // Whoever read our output may go away; that is no reason for a node to end.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
    void this.start();
  }

  fatal(error: unknown): never {
    process.exit(reportFailure(this.options.logger, error, this.options.failureContext));
  }

  stop(reason: string): void {
    if (this.stopRequested) return;
    this.stopRequested = true;
    this.options.logger.info({ reason }, 'stopping');
    void this.finish();
  }

  withdraw(names: readonly string[], refusal: Error): void {
    if (this.stopRequested) return;
    if (!this.isReady) this.fatal(refusal);
    this.withdrawing = this.lifecycle.withdraw(names, this.options.stopTimeoutMs);
  }

  private async start(): Promise<void> {
    try {
      await this.lifecycle.start(this.options.stopTimeoutMs);
    } catch (error) {
      // What a stop interrupted may well fail; the stop says how the process ends.
      if (this.stopRequested) return;
      this.fatal(error);
    }
    if (this.stopRequested) return;
    this.isReady = true;
    this.options.onReady();
  }

  private onSignal(signal: StopSignal): void {
    if (this.stopRequested) {
      // Ctrl-C under npm comes twice: from the terminal, and passed on by npm.
      if (signal === this.signalled && performance.now() - this.signalledAtMs < SAME_SIGNAL_MS) return;
      this.options.logger.warn({ signal }, 'second signal: ending at once');
      process.exit(128 + constants.signals[signal]);
    }
    this.signalled = signal;
    this.signalledAtMs = performance.now();
    this.stop(signal);
  }

  private async finish(): Promise<void> {
    await this.withdrawing;
    const { unfinished, failures } = await this.lifecycle.stop(this.options.stopTimeoutMs);
    if (unfinished.length === 0) {
      this.options.logger.info('stopped');
      process.exit(ExitCode.OK);
    }
    this.options.logger.error({ unfinished }, 'stopped before everything was finished');
    if (failures.length > 0) this.fatal(failures[0]);
    process.exit(ExitCode.STOP_INCOMPLETE);
  }
}
