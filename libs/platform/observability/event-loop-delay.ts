import { LatencyHistogram } from './latency-histogram';
import { histogram, type Labels, type MetricFamily, type MetricsSource } from './metric-family';

const PERIOD_MS = 50;

/** How late a timer of this process fires: what everything in it waits at least. Its timer keeps no process alive. */
export class EventLoopDelay implements MetricsSource {
  private readonly delays = new LatencyHistogram();
  private timer: NodeJS.Timeout | undefined;
  private expectedMs = 0;

  constructor(private readonly labels: Labels = {}) {}

  start(): void {
    if (this.timer !== undefined) return;
    this.expectedMs = performance.now() + PERIOD_MS;
    this.timer = setInterval(() => this.tick(), PERIOD_MS);
    this.timer.unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  collect(): readonly MetricFamily[] {
    const help = 'How late a timer fired, measured every 50 ms';
    return [histogram('streamline_event_loop_delay_seconds', help, [this.delays.sample(this.labels)])];
  }

  private tick(): void {
    const nowMs = performance.now();
    this.delays.observe(Math.max(0, nowMs - this.expectedMs));
    this.expectedMs = nowMs + PERIOD_MS;
  }
}
