import type { Socket } from 'node:net';
import type { ConnectionLimits } from './connection-limits';
import { FrameAssembler, FrameError } from '../sockets/frame-assembler';
import type { GatewayMetrics } from './gateway-metrics';
import { READ_BYTES, type FrameMemory } from '../sockets/frame-memory';
import type { BudgetWaiter, InFlightBudget } from './in-flight-budget';
import { OutputQueue } from './output-queue';
import { readInto, type Receiver } from '../sockets/socket-reader';

/** A whole answer as it goes on the wire, its length included, in one piece or more. Must not change any more. */
export type Answer = Buffer | readonly Buffer[];

/**
 * How a request takes its turn among those of its connection:
 * - `serial`: starts when everything before it is answered, and what follows waits for its answer (Kafka's rule for all);
 * - `parked`: the same, and it may wait long for something to happen (a long poll), so that a stop does not wait for it;
 * - `pipelined`: may start while earlier pipelined ones are unanswered; its effects take place, in order, when it starts.
 */
export type RequestTurn = 'serial' | 'parked' | 'pipelined';

/** What a handler may know of a connection. */
export interface ConnectionFacts {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Aborts when the client is gone or the listener stops: nobody wants what is still waited for. */
  readonly signal: AbortSignal;
}

/** What the header of a request tells of it before it is started. */
export interface RequestKind {
  /** The key that the request is counted under. */
  readonly key: number;
  readonly turn: RequestTurn;
}

/** Where the outcome of one request goes: one call, at once or later; any other is ignored. */
export interface Completion {
  /** Its answer, or that it has none (acks=0). */
  answer(answer: Answer | undefined): void;
  /** The connection ends behind the answers before it: for the reason of a ConnectionEnd, else by a defect. */
  fail(error: unknown): void;
}

/** Turns frames into answers. */
export interface RequestProcessor {
  /** Looks at the frame's header only. */
  kindOf(frame: Buffer): RequestKind;
  /**
   * Starts a request. What it throws is taken as `fail` takes it.
   *
   * The frame is memory that the next one is read to: it is valid until this returns, however late the completion is called.
   */
  process(frame: Buffer, connection: ConnectionFacts, completion: Completion): void;
}

export type CloseKind =
  /** The client ended it. */
  | 'client'
  | 'socket-error'
  /** What came is no Kafka request that this node serves. */
  | 'violation'
  /** The request failed and has no answer in which to say so (acks=0). */
  | 'unanswerable'
  | 'idle'
  | 'slow-request'
  | 'slow-reader'
  | 'stopping'
  /** A defect of ours. */
  | 'internal';

/** Why a connection ended: one of few kinds for metrics, and the words for the log. */
export interface CloseReason {
  readonly kind: CloseKind;
  readonly detail: string;
}

/** A request whose only answer is the end of the connection. */
export class ConnectionEnd extends Error {
  override readonly name = 'ConnectionEnd';

  constructor(
    readonly kind: 'violation' | 'unanswerable',
    message: string,
  ) {
    super(message);
  }
}

/** What all connections of a listener share. */
export interface ConnectionHost {
  readonly limits: ConnectionLimits;
  readonly budget: InFlightBudget;
  readonly metrics: GatewayMetrics;
  readonly memory: FrameMemory;
  readonly processor: RequestProcessor;
  monotonicMs(): number;
  schedule(delayMs: number, task: () => void): void;
  onClosed(connection: Connection, reason: CloseReason): void;
  /** After `onClosed`: nothing is left of the connection. */
  onSocketClosed(connection: Connection): void;
}

/** A started request: its answer leaves when all before it have left. */
class Slot implements Completion {
  isDone = false;
  bytesToSend: Answer | undefined;
  next: Slot | undefined;

  constructor(
    private readonly connection: Connection,
    readonly kind: RequestKind,
    readonly bytes: number,
    readonly startedMs: number,
  ) {}

  answer(answer: Answer | undefined): void {
    if (!this.isDone) this.connection.finished(this, answer);
  }

  fail(error: unknown): void {
    if (!this.isDone) this.connection.failed(this, error);
  }
}

const LENGTH_BYTES = 4;

const BY_CLIENT: CloseReason = { kind: 'client', detail: 'closed by the client' };

/** What a client still sends is read and dropped for so long after our last byte, lest a reset overtakes it. */
const LINGER_MS = 250;

/**
 * One client's connection: frames in, answers out, in order (see {@link RequestTurn}), never holding more than the limits
 * allow. Where a bound is reached the socket is not read, which is all the back-pressure that the protocol has.
 */
export class Connection implements ConnectionFacts, BudgetWaiter, Receiver {
  readonly remoteAddress: string;
  readonly remotePort: number;
  private readonly socket: Socket;
  private readonly assembler: FrameAssembler;
  private readonly output: OutputQueue;
  private aborter: AbortController | undefined;
  /** What the frame is that has come and may not start yet. */
  private waiting: RequestKind | undefined;
  private head: Slot | undefined;
  private tail: Slot | undefined;
  private inFlight = 0;
  private inFlightBytes = 0;
  /** Bytes charged to the budget that belong to no started request. */
  private bufferedBytes = 0;
  private paused = false;
  private pausedAtMs = 0;
  private exempt = false;
  private closed = false;
  /** The client has ended its side, and a frame that came before waits for its turn. */
  private inputEnded = false;
  /** Set when nothing more is read, and the connection ends once its answers are out. */
  private ending: CloseReason | undefined;
  private lastActivityMs: number;
  /** When the unfinished frame began, pauses left out; -1 between frames. */
  private frameStartedMs = -1;

  constructor(
    readonly id: number,
    accepted: Socket,
    private readonly host: ConnectionHost,
  ) {
    this.remoteAddress = accepted.remoteAddress ?? '';
    this.remotePort = accepted.remotePort ?? 0;
    this.assembler = new FrameAssembler(host.limits.maxFrameBytes, host.memory);
    this.lastActivityMs = host.monotonicMs();
    const socket = readInto(this, accepted);
    this.socket = socket;
    this.output = new OutputQueue(socket, () => host.monotonicMs(), this);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const gone = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      this.close(gone ? BY_CLIENT : { kind: 'socket-error', detail: error.message });
    });
    socket.on('end', () => this.onEnd());
    socket.on('close', () => {
      this.close(BY_CLIENT);
      this.assembler.readerClosed();
      host.onSocketClosed(this);
    });
  }

  get signal(): AbortSignal {
    this.aborter ??= new AbortController();
    if (this.closed || this.inputEnded) this.aborter.abort();
    return this.aborter.signal;
  }

  /** Closes the connection where it is idle, sends a frame too slowly, does not take its answers, or gets none. */
  check(nowMs: number): void {
    if (this.closed) return;
    const { limits } = this.host;
    const deadlineMs = this.head?.kind.turn === 'parked' ? limits.parkedDeadlineMs : limits.answerDeadlineMs;
    if (this.head !== undefined && nowMs - this.head.startedMs > deadlineMs) {
      this.close({ kind: 'internal', detail: `a request (key ${this.head.kind.key}) got no answer for ${deadlineMs} ms` });
    } else if (this.output.stalledMs(nowMs) > limits.writeDeadlineMs) {
      this.close({ kind: 'slow-reader', detail: `the client took none of its answer for ${limits.writeDeadlineMs} ms` });
    } else if (this.frameStartedMs >= 0 && !this.paused && this.isTooSlow(nowMs)) {
      this.close({ kind: 'slow-request', detail: `a frame is incomplete after ${Math.round(nowMs - this.frameStartedMs)} ms` });
    } else if (this.head === undefined && this.output.unsentBytes === 0 && nowMs - this.lastActivityMs > limits.idleMs) {
      this.close({ kind: 'idle', detail: `no request for ${limits.idleMs} ms (connections.max.idle.ms)` });
    }
  }

  /** Reads nothing more and ends once the started requests, but for the parked, are answered. */
  drain(): void {
    if (this.closed || this.ending !== undefined) return;
    if (this.head?.kind.turn === 'parked') {
      this.head = undefined;
      this.tail = undefined;
    }
    this.end({ kind: 'stopping', detail: 'the listener stops' });
  }

  /** Ends the connection now; what was started goes on, its answers are dropped. */
  close(reason: CloseReason): void {
    if (this.closed) return;
    this.closed = true;
    this.head = undefined;
    this.tail = undefined;
    this.waiting = undefined;
    this.assembler.close();
    this.host.budget.leave(this);
    this.host.budget.dropped(this.bufferedBytes);
    this.host.budget.sent(this.output.unsentBytes);
    this.bufferedBytes = 0;
    this.notePauseEnd();
    const cause = this.ending ?? reason;
    if (reason === this.ending) this.linger();
    else this.socket.destroy();
    this.aborter?.abort();
    this.host.onClosed(this, cause);
  }

  /** Sends our end and drops what the client still sends, so that it can read its last answers. */
  private linger(): void {
    this.socket.end();
    this.socket.resume();
    this.host.schedule(LINGER_MS, () => this.socket.destroy());
  }

  /** From the output: the client took bytes. */
  onSent(bytes: number): void {
    if (this.closed) return;
    this.host.budget.sent(bytes);
    this.host.metrics.bytesOut += bytes;
    this.lastActivityMs = this.host.monotonicMs();
    if (this.waiting !== undefined) this.pump(this.lastActivityMs);
    this.endWhenDone();
  }

  /** For the budget: memory is held that only reading on can free. */
  get holdsUnfinishedFrame(): boolean {
    return this.assembler.partial;
  }

  /** From the budget: there is room again, or it is this connection's turn to exceed it. */
  resumeReading(exempt: boolean): void {
    this.exempt = exempt;
    this.updateReading();
  }

  /** For the socket: where to read to. */
  space(): Buffer {
    return this.assembler.space();
  }

  /** From the socket. */
  received(buffer: Buffer, bytes: number): void {
    if (this.closed || this.ending !== undefined) return;
    this.lastActivityMs = this.host.monotonicMs();
    this.host.metrics.bytesIn += bytes;
    this.host.budget.arrived(bytes);
    this.bufferedBytes += bytes;
    this.assembler.received(buffer, bytes);
    this.pump(this.lastActivityMs);
  }

  /** What the client sent before its end still takes effect: to whoever sends with acks=0 there is no other sign of it. */
  private onEnd(): void {
    if (this.waiting === undefined) {
      this.close(BY_CLIENT);
      return;
    }
    this.inputEnded = true;
    this.aborter?.abort();
  }

  /** Starts what may start, then decides whether to read on. */
  private pump(nowMs: number): void {
    try {
      for (let frame = this.nextFrame(); frame !== undefined; frame = this.nextFrame()) {
        const kind = this.waiting;
        if (kind === undefined || !this.mayStart(frame, kind)) break;
        this.waiting = undefined;
        this.start(frame, kind, nowMs);
        this.assembler.done();
      }
    } catch (error) {
      this.violated(error);
    }
    this.assembler.keep();
    if (!this.closed) this.updateReading();
    if (this.inputEnded && this.waiting === undefined) this.close(BY_CLIENT);
  }

  /** The frame that waits, or the next one, which waits from now on. */
  private nextFrame(): Buffer | undefined {
    if (this.closed || this.ending !== undefined) return undefined;
    const frame = this.assembler.next();
    if (frame === undefined || this.waiting !== undefined) return frame;
    this.waiting = this.host.processor.kindOf(frame);
    this.frameStartedMs = -1;
    if (this.exempt) {
      this.exempt = false;
      this.host.budget.leave(this);
    }
    return frame;
  }

  private mayStart(frame: Buffer, kind: RequestKind): boolean {
    const { limits } = this.host;
    if (this.output.unsentBytes >= limits.maxUnsentBytes) return false;
    if (this.tail === undefined) return true;
    return (
      this.inFlight < limits.maxInFlightRequests &&
      this.inFlightBytes + frame.length <= limits.maxInFlightBytes &&
      this.tail.kind.turn === 'pipelined' &&
      kind.turn === 'pipelined'
    );
  }

  private start(frame: Buffer, kind: RequestKind, nowMs: number): void {
    const bytes = frame.length + LENGTH_BYTES;
    const slot = new Slot(this, kind, bytes, nowMs);
    if (this.tail === undefined) this.head = slot;
    else this.tail.next = slot;
    this.tail = slot;
    this.inFlight++;
    this.inFlightBytes += bytes;
    this.bufferedBytes -= bytes;
    this.host.budget.started(bytes);
    try {
      this.assembler.offer();
      this.host.processor.process(frame, this, slot);
    } catch (error) {
      slot.fail(error);
    } finally {
      this.assembler.withdraw();
    }
  }

  /** From a request that has its outcome. */
  finished(slot: Slot, answer: Answer | undefined): void {
    slot.isDone = true;
    slot.bytesToSend = answer;
    this.inFlight--;
    this.inFlightBytes -= slot.bytes;
    this.host.budget.finished(slot.bytes);
    const nowMs = this.host.monotonicMs();
    this.host.metrics.requestDone(slot.kind.key, nowMs - slot.startedMs);
    if (this.closed || slot !== this.head) return;
    this.sendAnswers();
    if (this.waiting !== undefined) this.pump(nowMs);
    this.endWhenDone();
  }

  /** From a request that has no outcome but the end of the connection. */
  failed(slot: Slot, error: unknown): void {
    this.violated(error);
    if (!(error instanceof ConnectionEnd && error.kind === 'unanswerable')) {
      // This one was owed an answer: those behind the gap would be taken for it.
      slot.next = undefined;
      this.tail = slot;
    }
    this.finished(slot, undefined);
  }

  private sendAnswers(): void {
    let slot = this.head;
    while (slot?.isDone === true) {
      const { bytesToSend } = slot;
      if (bytesToSend instanceof Buffer) this.send(bytesToSend);
      else if (Array.isArray(bytesToSend)) for (const piece of bytesToSend as readonly Buffer[]) this.send(piece);
      slot = slot.next;
    }
    this.head = slot;
    if (slot === undefined) this.tail = undefined;
  }

  private send(bytes: Buffer): void {
    this.host.budget.answered(bytes.length);
    this.output.push(bytes);
  }

  /** Nothing that comes after this can be understood or answered: the connection ends behind the answers before it. */
  private violated(error: unknown): void {
    const detail = error instanceof Error ? error.message : String(error);
    if (error instanceof ConnectionEnd) this.end({ kind: error.kind, detail });
    else this.end({ kind: error instanceof FrameError ? 'violation' : 'internal', detail });
  }

  private end(reason: CloseReason): void {
    this.ending ??= reason;
    this.waiting = undefined;
    this.socket.pause();
    this.endWhenDone();
  }

  private endWhenDone(): void {
    if (this.ending === undefined || this.closed) return;
    if (this.head === undefined && this.output.unsentBytes === 0) this.close(this.ending);
  }

  private isTooSlow(nowMs: number): boolean {
    const { limits } = this.host;
    const beyondGraceMs = nowMs - this.frameStartedMs - limits.frameGraceMs;
    return beyondGraceMs > 0 && this.assembler.partialBytes < (beyondGraceMs / 1000) * limits.frameMinBytesPerSecond;
  }

  /** Reads on, or not: while frames wait for their turn, and while the process holds too much. */
  private updateReading(): void {
    if (this.closed || this.ending !== undefined) return;
    const overBudget = !this.exempt && this.host.budget.full;
    // What comes behind a frame that waits is taken up to a bound, for the client's end may be among it.
    const hasEnough = this.waiting !== undefined && this.assembler.heldBytes >= READ_BYTES;
    const pause = hasEnough || overBudget;
    if (pause && !this.paused) {
      this.paused = true;
      this.pausedAtMs = this.host.monotonicMs();
      this.host.metrics.pauses++;
      this.socket.pause();
    } else if (!pause && this.paused) {
      this.notePauseEnd();
      this.socket.resume();
    }
    if (overBudget && this.waiting === undefined) this.host.budget.wait(this);
    this.trackFrame();
  }

  private notePauseEnd(): void {
    if (!this.paused) return;
    this.paused = false;
    const pausedMs = this.host.monotonicMs() - this.pausedAtMs;
    this.host.metrics.pausedMs += pausedMs;
    if (this.frameStartedMs >= 0) this.frameStartedMs += pausedMs;
  }

  private trackFrame(): void {
    if (!this.assembler.partial) this.frameStartedMs = -1;
    else if (this.frameStartedMs < 0) this.frameStartedMs = this.host.monotonicMs();
  }
}
