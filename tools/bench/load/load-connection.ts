import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { AnswerStream } from './answer-stream';
import type { FrameRing } from './frame-ring';

const CORRELATION_ID_AT = 4;

/**
 * Looks at the head of the answer to the request of `slot` (see `AnswerTaker`): the payload bytes it stands for.
 * Throws where the server refused something.
 */
export type AnswerReader = (buffer: Buffer, start: number, frameBytes: number, slot: number) => number;

export interface LoadOptions {
  readonly port: number;
  readonly ring: FrameRing;
  /** Requests sent before the first answer; at most the ring's slots. */
  readonly inFlight: number;
  readonly read: AnswerReader;
  /** Called before a slot is sent (again), to patch it. */
  readonly prepare?: (slot: number) => void;
  /** Called with the time from a request's write to its answer; only with one in flight. */
  readonly onLatency?: (milliseconds: number) => void;
  readonly receiveBytes?: number;
  /** Requests to send in all; without a limit by default. */
  readonly limit?: number;
  /** Called in place of sending again when `count` answers came: for loads that move from connection to connection. */
  readonly onAnswers?: (count: number) => void;
}

/**
 * One connection that keeps a fixed number of requests in flight: as many are sent, in one write, as answers came in one
 * read. Nothing is allocated, encoded or copied per request.
 */
export class LoadConnection {
  answered = 0;
  payloadBytes = 0;
  private nextToSend = 0;
  private nextToAnswer = 0;
  private inFlight = 0;
  private unsent = 0;
  private answeredInChunk = 0;
  private sentAtMs = 0;
  private running = false;
  private drained: (() => void) | undefined;
  /** Set by the first thing that went wrong. */
  private failure: Error | undefined;
  private socket: Socket | undefined;
  private readonly answers = new AnswerStream((buffer, start, frameBytes) => this.onAnswer(buffer, start, frameBytes));

  private constructor(private readonly options: LoadOptions) {
    this.unsent = options.limit ?? Infinity;
  }

  static async open(options: LoadOptions): Promise<LoadConnection> {
    const connection = new LoadConnection(options);
    const buffer = Buffer.allocUnsafe(options.receiveBytes ?? 64 * 1024);
    const socket = connect({
      host: '127.0.0.1',
      port: options.port,
      noDelay: true,
      onread: {
        buffer,
        callback: (chunkBytes) => connection.onChunk(buffer, chunkBytes),
      },
    });
    await once(socket, 'connect');
    socket.on('error', (error) => connection.fail(error));
    socket.on('close', () => connection.fail(new Error('the server closed the connection')));
    connection.socket = socket;
    return connection;
  }

  start(): void {
    this.running = true;
    this.send(this.options.inFlight);
  }

  /** Sends one more request, whatever is in flight, unless the load has been stopped. */
  sendOne(): void {
    if (this.running) this.send(1);
  }

  /** Lets `sendOne` send, without sending anything itself. */
  arm(): void {
    this.running = true;
  }

  /** Sends nothing more and resolves when every request has its answer. @throws what went wrong since the start */
  async stop(): Promise<void> {
    this.running = false;
    await this.drain();
  }

  /** Resolves when nothing is in flight: with a limit, when all of it is done. @throws what went wrong since the start */
  async drain(): Promise<void> {
    if (this.inFlight > 0 && this.failure === undefined) await new Promise<void>((resolve) => (this.drained = resolve));
    if (this.failure !== undefined) throw this.failure;
  }

  close(): void {
    this.failure ??= new Error('closed');
    this.socket?.destroy();
  }

  private onChunk(chunk: Buffer, chunkBytes: number): boolean {
    this.answeredInChunk = 0;
    try {
      this.answers.push(chunk, chunkBytes);
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
      this.socket?.destroy();
      return true;
    }
    if (this.running && this.answeredInChunk > 0) {
      if (this.options.onAnswers !== undefined) this.options.onAnswers(this.answeredInChunk);
      else this.send(this.answeredInChunk);
    }
    if (this.inFlight === 0) this.drained?.();
    return true;
  }

  private onAnswer(buffer: Buffer, start: number, frameBytes: number): void {
    const { ring, read, onLatency } = this.options;
    const slot = this.nextToAnswer;
    this.nextToAnswer = slot + 1 === ring.slots ? 0 : slot + 1;
    const correlationId = buffer.readInt32BE(start + CORRELATION_ID_AT);
    if (correlationId !== slot) throw new Error(`the answer to ${correlationId} came where that to ${slot} is due`);
    this.payloadBytes += read(buffer, start, frameBytes, slot);
    this.answered += 1;
    this.inFlight -= 1;
    this.answeredInChunk += 1;
    if (onLatency !== undefined) onLatency(performance.now() - this.sentAtMs);
  }

  private send(wanted: number): void {
    const { ring, prepare, onLatency } = this.options;
    const count = Math.min(wanted, this.unsent);
    this.unsent -= count;
    this.inFlight += count;
    if (onLatency !== undefined) this.sentAtMs = performance.now();
    for (let left = count; left > 0;) {
      const run = Math.min(left, ring.slots - this.nextToSend);
      if (prepare !== undefined) for (let each = 0; each < run; each += 1) prepare(this.nextToSend + each);
      this.socket?.write(ring.run(this.nextToSend, run));
      this.nextToSend = (this.nextToSend + run) % ring.slots;
      left -= run;
    }
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.running = false;
    this.drained?.();
  }
}
