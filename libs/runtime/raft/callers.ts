import type { Cancel, Clock } from '@streamline/runtime/ports/clock';

/** Calls without an answer; above it callers are told to come back. */
export const CALLS_MAX = 8192;
/** Deadlines are rounded up to it, so that calls that come together share one. */
const TICK_MS = 10;

/** A call that waits for one answer, with a deadline. */
export interface Call<Answer> {
  readonly requestId: number;
  /** Later answers are ignored. */
  settle(answer: Answer): void;
}

export interface CallerOptions<Answer> {
  readonly deadlineMs: number;
  /** Called with the call, at once. */
  readonly begin: (call: Call<Answer>) => void;
  /** What to answer at the deadline. */
  readonly atDeadline: () => Answer;
  /** What to answer when this node stops. */
  readonly atEnd: Answer;
}

class OpenCall<Answer> implements Call<Answer> {
  constructor(
    readonly requestId: number,
    /** When its deadline is over, in ticks of the clock. */
    readonly dueTick: number,
    private readonly options: CallerOptions<Answer>,
    private readonly resolve: (answer: Answer) => void,
    private readonly reject: (error: Error) => void,
    /** False where it was closed before. */
    private readonly close: (call: OpenCall<Answer>) => boolean,
  ) {}

  settle(answer: Answer): void {
    if (this.close(this)) this.resolve(answer);
  }

  expire(): void {
    this.settle(this.options.atDeadline());
  }

  end(): void {
    this.settle(this.options.atEnd);
  }

  fail(error: Error): void {
    if (this.close(this)) this.reject(error);
  }
}

/** What `Callers` does with calls, whatever their answers are. */
type AnyCall = Pick<OpenCall<never>, 'requestId' | 'dueTick' | 'expire' | 'end' | 'fail'>;

/** Who waits for an answer, by request id: each gets one, at its deadline at the latest. All deadlines share one timer. */
export class Callers {
  readonly #open = new Map<number, AnyCall>();
  /** By the tick at which they are due. */
  readonly #due = new Map<number, Set<AnyCall>>();
  #lastId = 0;
  /** No call is due before this one; the timer may be earlier than the next call, since an answer does not move it. */
  #timerTick = Infinity;
  #cancelTimer: Cancel = () => undefined;

  constructor(private readonly clock: Clock) {}

  get isFull(): boolean {
    return this.#open.size >= CALLS_MAX;
  }

  open<Answer>(options: CallerOptions<Answer>): Promise<Answer> {
    const requestId = ++this.#lastId;
    const dueTick = Math.ceil((this.clock.monotonicMs() + options.deadlineMs) / TICK_MS);
    return new Promise((resolve, reject) => {
      const call = new OpenCall(requestId, dueTick, options, resolve, reject, (closed) => this.#close(closed));
      this.#open.set(requestId, call);
      const due = this.#due.get(dueTick);
      if (due === undefined) this.#due.set(dueTick, new Set([call]));
      else due.add(call);
      if (dueTick < this.#timerTick) this.#arm(dueTick);
      options.begin(call);
    });
  }

  /** Everybody is told that this node has stopped. */
  endAll(): void {
    for (const call of [...this.#open.values()]) call.end();
    this.#arm(Infinity);
  }

  /** Everybody is told that this node is broken. */
  failAll(error: Error): void {
    for (const call of [...this.#open.values()]) call.fail(error);
    this.#arm(Infinity);
  }

  #close(call: AnyCall): boolean {
    if (!this.#open.delete(call.requestId)) return false;
    const due = this.#due.get(call.dueTick);
    due?.delete(call);
    if (due?.size === 0) this.#due.delete(call.dueTick);
    return true;
  }

  #arm(tick: number): void {
    this.#cancelTimer();
    this.#timerTick = tick;
    if (tick === Infinity) return;
    this.#cancelTimer = this.clock.schedule(tick * TICK_MS - this.clock.monotonicMs(), () => this.#expire());
  }

  #expire(): void {
    // A timer may run a little early.
    const tick = Math.max(this.#timerTick, Math.floor(this.clock.monotonicMs() / TICK_MS));
    this.#timerTick = Infinity;
    const due = [...this.#due.keys()].filter((at) => at <= tick).toSorted((one, other) => one - other);
    for (const at of due) for (const call of this.#due.get(at) ?? []) call.expire();
    const next = Math.min(...this.#due.keys());
    if (next < this.#timerTick) this.#arm(next);
  }
}
