import type * as grpc from '@grpc/grpc-js';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ServiceDefinition } from '@streamline/wire/contracts/port';
import { MESSAGE_BYTES_MAX, methodsOf } from './service-definition';
import { fromServiceError } from './status';

/** What a callee may take beyond the time that it was given in the request itself. */
export const ANSWER_GRACE_MS = 5_000;
/** Deadlines are looked at this often. */
const SWEEP_MS = 500;
const CORRELATION_ID_MAX = 0x7fff_ffff;
/** How long no stream is opened after one that broke before its first frame; doubles with each, and half of it is jitter. */
const BACK_OFF_MS = 50;
const BACK_OFF_MS_MAX = 1_000;

const random = new NodeRandom();

interface Pending<Response> {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: Error) => void;
  readonly dueMs: number;
}

export interface BulkStreamEvents {
  readonly onFrame: (frame: Buffer) => void;
  /** The stream broke: whatever was under way has failed, credits start anew. */
  readonly onBreak: () => void;
}

/** @throws PortError `invalid`: grpc-js would end the stream with all its calls for a frame that it finds too large. */
export function refuseOversized(frame: Buffer): void {
  if (frame.length <= MESSAGE_BYTES_MAX) return;
  throw new PortError('invalid', `a request of ${frame.length} bytes is larger than ${MESSAGE_BYTES_MAX}`);
}

/**
 * The calling end of a bulk method: one long-lived bidirectional stream, opened by the first call and again by the next
 * one after it broke, with answers matched to calls by correlation id. When it breaks every call under way fails with
 * `unavailable`: what became of it is unknown. While streams break before they are of use, calls in between fail at once.
 */
export class BulkStream<Response> {
  private readonly pending = new Map<number, Pending<Response>>();
  private readonly method: grpc.MethodDefinition<unknown, unknown>;
  private stream: grpc.ClientDuplexStream<unknown, unknown> | undefined;
  private lastCorrelationId = 0;
  private sweep: NodeJS.Timeout | undefined;
  private closed = false;
  /** Streams in a row that broke before their first frame. */
  private failures = 0;
  private openNotBeforeMs = 0;

  constructor(
    private readonly client: grpc.Client,
    service: ServiceDefinition,
    key: string,
    private readonly events: BulkStreamEvents,
  ) {
    const method = methodsOf(service).find((candidate) => candidate.key === key);
    if (!method) throw new Error(`${service.fullName} has no method ${key}`);
    this.method = method.definition;
  }

  /** Calls under way. */
  get size(): number {
    return this.pending.size;
  }

  /** Registers a call and lets `send` write it; fails with `deadline` after `timeoutMs`. What `send` throws fails this call alone. */
  call(timeoutMs: number, send: (correlationId: number) => void): Promise<Response> {
    if (this.closed) return Promise.reject(this.unavailable('closed'));
    if (this.stream === undefined && performance.now() < this.openNotBeforeMs) {
      return Promise.reject(this.unavailable(`cannot be reached, ${this.failures} times in a row`));
    }
    return new Promise((resolve, reject) => {
      const correlationId = this.nextCorrelationId();
      this.pending.set(correlationId, { resolve, reject, dueMs: performance.now() + timeoutMs });
      this.open();
      try {
        send(correlationId);
      } catch (error) {
        this.pending.delete(correlationId);
        reject(error instanceof Error ? error : new PortError('internal', String(error)));
      }
    });
  }

  isPending(correlationId: number): boolean {
    return this.pending.has(correlationId);
  }

  resolve(correlationId: number, response: Response): void {
    const call = this.pending.get(correlationId);
    this.pending.delete(correlationId);
    call?.resolve(response);
  }

  reject(correlationId: number, error: PortError): void {
    const call = this.pending.get(correlationId);
    this.pending.delete(correlationId);
    call?.reject(error);
  }

  write(frame: Buffer): void {
    this.stream?.write(frame);
  }

  close(): void {
    this.closed = true;
    this.stream?.end();
    this.fail(this.unavailable('closed'));
  }

  private unavailable(reason: string): PortError {
    return new PortError('unavailable', `${this.method.path}: ${reason}`);
  }

  private nextCorrelationId(): number {
    do {
      this.lastCorrelationId = this.lastCorrelationId === CORRELATION_ID_MAX ? 1 : this.lastCorrelationId + 1;
    } while (this.pending.has(this.lastCorrelationId));
    return this.lastCorrelationId;
  }

  private open(): void {
    if (this.stream) return;
    const { path, requestSerialize, responseDeserialize } = this.method;
    const stream = this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.stream = stream;
    this.failures += 1;
    stream.on('data', (frame: Buffer) => this.receive(stream, frame));
    stream.on('error', (error) => {
      // Whatever ended the stream, it says nothing of the calls that were under way.
      this.broken(stream, new PortError('unavailable', fromServiceError(error, path).message, { cause: error }));
    });
    stream.on('end', () => this.broken(stream, this.unavailable('the peer ended the stream')));
    this.sweep = setInterval(() => this.expire(), SWEEP_MS);
    this.sweep.unref();
  }

  private receive(stream: grpc.ClientDuplexStream<unknown, unknown>, frame: Buffer): void {
    if (this.stream !== stream) return;
    this.failures = 0;
    try {
      this.events.onFrame(frame);
    } catch (error) {
      stream.cancel();
      this.broken(stream, new PortError('internal', `${this.method.path}: ${String(error)}`, { cause: error }));
    }
  }

  private broken(stream: grpc.ClientDuplexStream<unknown, unknown>, error: PortError): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    if (this.failures > 0) {
      const backOffMs = Math.min(BACK_OFF_MS * 2 ** (this.failures - 1), BACK_OFF_MS_MAX);
      this.openNotBeforeMs = performance.now() + (backOffMs * (1 + random.next())) / 2;
    }
    this.fail(error);
  }

  private fail(error: PortError): void {
    clearInterval(this.sweep);
    this.events.onBreak();
    const calls = [...this.pending.values()];
    this.pending.clear();
    for (const call of calls) call.reject(error);
  }

  private expire(): void {
    const nowMs = performance.now();
    for (const [correlationId, call] of this.pending) {
      if (call.dueMs > nowMs) continue;
      this.reject(correlationId, new PortError('deadline', `${this.method.path}: no answer in time`));
    }
  }
}
