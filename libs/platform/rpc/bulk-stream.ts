import type * as grpc from '@grpc/grpc-js';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ServiceDefinition } from '@streamline/wire/contracts/port';
import { methodsOf } from './service-definition';
import { fromServiceError } from './status';

/** What a callee may take beyond the time that it was given in the request itself. */
const GRACE_MS = 5_000;
/** Deadlines are looked at this often. */
const SWEEP_MS = 500;
const CORRELATION_ID_MAX = 0x7fff_ffff;

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

/**
 * The calling end of a bulk method: one long-lived bidirectional stream, opened by the first call and again by the next
 * one after it broke, with answers matched to calls by correlation id. When it breaks every call under way fails with
 * `unavailable`: what became of it is unknown.
 */
export class BulkStream<Response> {
  private readonly pending = new Map<number, Pending<Response>>();
  private readonly method: grpc.MethodDefinition<unknown, unknown>;
  private stream: grpc.ClientDuplexStream<unknown, unknown> | undefined;
  private lastCorrelationId = 0;
  private sweep: NodeJS.Timeout | undefined;
  private closed = false;

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

  /** Registers a call and lets `send` write it; `timeoutMs` is what the request itself grants the callee. */
  call(timeoutMs: number, send: (correlationId: number) => void): Promise<Response> {
    if (this.closed) return Promise.reject(new PortError('unavailable', `${this.method.path}: closed`));
    return new Promise((resolve, reject) => {
      const correlationId = this.nextCorrelationId();
      this.pending.set(correlationId, { resolve, reject, dueMs: performance.now() + timeoutMs + GRACE_MS });
      this.open();
      send(correlationId);
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
    this.fail(new PortError('unavailable', `${this.method.path}: closed`));
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
    stream.on('data', (frame: Buffer) => this.receive(stream, frame));
    stream.on('error', (error) => this.broken(stream, fromServiceError(error, path)));
    stream.on('end', () => this.broken(stream, new PortError('unavailable', `${path}: the peer ended the stream`)));
    this.sweep = setInterval(() => this.expire(), SWEEP_MS);
    this.sweep.unref();
  }

  private receive(stream: grpc.ClientDuplexStream<unknown, unknown>, frame: Buffer): void {
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
