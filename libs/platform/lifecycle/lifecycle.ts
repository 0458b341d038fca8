import type { Logger } from 'pino';
import { StopDeadline } from './stop-deadline';

/** A part of a node that is started and stopped in order. */
export interface Component {
  readonly name: string;
  start(): Promise<void>;
  /**
   * Stops accepting, finishes what is in flight, flushes, within the deadline. Called also when `start` failed or was never
   * reached by a stop, so it copes with both.
   */
  stop(deadline: StopDeadline): Promise<void>;
}

export interface StopOutcome {
  /** Components that failed to stop, or did not within their deadline. Empty: a clean stop. */
  readonly unfinished: readonly string[];
  /** Why they failed, the first one first; without those that merely took too long. */
  readonly failures: readonly unknown[];
}

/** Of the time that is left, how much one component may take, so that the ones after it (which flush) get theirs. */
const SHARE = 0.5;

/** A component took longer to stop than it may. */
class OverdueError extends Error {
  override readonly name = 'OverdueError';
}

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

  /** Stops some of what runs, last first; the rest goes on. Nothing comes of it while everything is being stopped. */
  async withdraw(names: readonly string[], timeoutMs: number): Promise<void> {
    const whole = new StopDeadline(timeoutMs);
    for (const component of this.started.filter(({ name }) => names.includes(name)).reverse()) {
      const at = this.started.indexOf(component);
      if (at < 0) return;
      this.started.splice(at, 1);
      await this.stopOne(component, whole.remainingMs * SHARE).catch(() => undefined);
    }
  }

  private async stopAll(timeoutMs: number): Promise<StopOutcome> {
    const whole = new StopDeadline(timeoutMs);
    const unfinished: string[] = [];
    const failures: unknown[] = [];
    for (let component = this.started.pop(); component !== undefined; component = this.started.pop()) {
      const isLast = this.started.length === 0;
      try {
        await this.stopOne(component, whole.remainingMs * (isLast ? 1 : SHARE));
      } catch (error) {
        unfinished.push(component.name);
        if (!(error instanceof OverdueError)) failures.push(error);
      }
    }
    return { unfinished, failures };
  }

  /** Fails with OverdueError where it takes too long, or as the component does. */
  private async stopOne(component: Component, allowedMs: number): Promise<void> {
    const begin = performance.now();
    const deadline = new StopDeadline(allowedMs);
    const overdue = new Promise<never>((_, reject) => {
      deadline.signal.addEventListener('abort', () => reject(new OverdueError()), { once: true });
    });
    try {
      await Promise.race([Promise.resolve().then(() => component.stop(deadline)), overdue]);
    } catch (error) {
      const { name } = component;
      if (error instanceof OverdueError) {
        this.logger.warn({ component: name, allowedMs: Math.round(allowedMs) }, 'did not stop in time, abandoned');
      } else {
        this.logger.error({ component: name, err: error }, 'failed to stop');
      }
      throw error;
    }
    this.logger.debug({ component: component.name, elapsedMs: Math.round(performance.now() - begin) }, 'stopped');
  }
}
