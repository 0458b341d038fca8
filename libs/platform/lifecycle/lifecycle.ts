import type { Logger } from 'pino';

/** A part of a node that is started and stopped in order. */
export interface Component {
  readonly name: string;
  start(): Promise<void>;
  /**
   * Stops accepting, finishes what is in flight, flushes. `signal` aborts when the time for it is over: what then still
   * runs is abandoned. Called also when `start` failed or was never reached by a stop, so it copes with both.
   */
  stop(signal: AbortSignal): Promise<void>;
}

export interface StopOutcome {
  /** Components that failed to stop, or did not within the deadline. Empty: a clean stop. */
  readonly unfinished: readonly string[];
}

/** Of the time that is left, how much one component may take, so that the ones after it (which flush) get theirs. */
const SHARE = 0.5;

/** Starts components one after the other and stops them in the opposite order, within a deadline. */
export class Lifecycle {
  private readonly started: Component[] = [];
  private stopping: Promise<StopOutcome> | undefined;

  constructor(
    private readonly components: readonly Component[],
    private readonly logger: Logger,
  ) {}

  /** When one fails, those before it are stopped again (within `stopTimeoutMs`) and the failure is thrown. */
  async start(stopTimeoutMs: number): Promise<void> {
    for (const component of this.components) {
      if (this.stopping !== undefined) return;
      this.started.push(component);
      const begin = performance.now();
      try {
        await component.start();
      } catch (error) {
        await this.stop(stopTimeoutMs);
        throw error;
      }
      this.logger.debug({ component: component.name, elapsedMs: Math.round(performance.now() - begin) }, 'started');
    }
  }

  /** Stops what was started, last first. A second call waits for the first. */
  stop(timeoutMs: number): Promise<StopOutcome> {
    this.stopping ??= this.stopAll(timeoutMs);
    return this.stopping;
  }

  private async stopAll(timeoutMs: number): Promise<StopOutcome> {
    const deadline = performance.now() + timeoutMs;
    const unfinished: string[] = [];
    for (let component = this.started.pop(); component !== undefined; component = this.started.pop()) {
      const remainingMs = Math.max(0, deadline - performance.now());
      const allowedMs = this.started.length === 0 ? remainingMs : remainingMs * SHARE;
      if (!(await this.stopOne(component, allowedMs))) unfinished.push(component.name);
    }
    return { unfinished };
  }

  private async stopOne(component: Component, allowedMs: number): Promise<boolean> {
    const begin = performance.now();
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const overdue = new Promise<false>((resolve) => {
      timer = setTimeout(() => {
        abort.abort();
        this.logger.warn({ component: component.name, allowedMs: Math.round(allowedMs) }, 'did not stop in time, abandoned');
        resolve(false);
      }, allowedMs);
    });
    const stopped = Promise.resolve()
      .then(() => component.stop(abort.signal))
      .then(
        () => true,
        (error: unknown) => {
          this.logger.error({ component: component.name, err: error }, 'failed to stop');
          return false;
        },
      );
    const isClean = await Promise.race([stopped, overdue]);
    clearTimeout(timer);
    if (isClean) this.logger.debug({ component: component.name, elapsedMs: Math.round(performance.now() - begin) }, 'stopped');
    return isClean;
  }
}
