/** The part of a logger that the gateway needs; pino's shape. */
export interface LogSink {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

type Level = 'info' | 'warn' | 'error';

/**
 * Lines about what clients do: at most `linesPerSecond` of each event, so that a hostile client cannot fill a disk; the
 * next line of the event tells how many were left out.
 */
export class RateLimitedLog {
  private readonly windows = new Map<string, { startMs: number; lines: number; suppressed: number }>();

  constructor(
    private readonly sink: LogSink,
    private readonly monotonicMs: () => number,
    private readonly linesPerSecond = 5,
  ) {}

  /** `event` is one of few fixed names, never client input: it is the key of the limit. */
  write(level: Level, event: string, fields: object, message: string): void {
    const nowMs = this.monotonicMs();
    let window = this.windows.get(event);
    if (window === undefined) this.windows.set(event, (window = { startMs: nowMs, lines: 0, suppressed: 0 }));
    if (nowMs - window.startMs >= 1000) {
      window.startMs = nowMs;
      window.lines = 0;
    }
    if (window.lines >= this.linesPerSecond) {
      window.suppressed++;
      return;
    }
    window.lines++;
    const suppressed = window.suppressed;
    window.suppressed = 0;
    this.sink[level]({ event, ...fields, ...(suppressed > 0 ? { suppressed } : {}) }, message);
  }
}
