import type { TimestampMs } from '@streamline/core/types/ids';
import type { Cancel, Clock } from '@streamline/runtime/ports/clock';

/** `setTimeout` takes at most this many milliseconds; more would fire at once. */
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1;

/** The process's own clocks. */
export class NodeClock implements Clock {
  monotonicMs(): number {
    return performance.now();
  }

  wallMs(): TimestampMs {
    return Date.now() as TimestampMs;
  }

  schedule(delayMs: number, task: () => void): Cancel {
    let timer: NodeJS.Timeout;
    const arm = (leftMs: number): void => {
      const stepMs = Math.min(leftMs, TIMER_DELAY_MS_MAX);
      timer = setTimeout(() => (leftMs > stepMs ? arm(leftMs - stepMs) : task()), stepMs);
      timer.unref();
    };
    arm(Math.max(delayMs, 0));
    return () => clearTimeout(timer);
  }

  nextTurn(task: () => void): void {
    setImmediate(task);
  }
}
