import type * as grpc from '@grpc/grpc-js';
import { decodeBulkFrame, encodeBulkFrame, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import {
  PipelineRequest,
  PipelineResponse,
  type PipelinedCall,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/pipeline';
import type { CallContext, PortOf, ServiceDefinition } from '@streamline/wire/contracts/port';
import { PortError } from '@streamline/wire/contracts/port-error';
import { BulkStream, refuseOversized } from './bulk-stream';
import { chargeOf, PIPELINE_FRAME_BYTES, PIPELINE_WINDOW_BYTES } from './pipeline-server';
import { DEFAULT_DEADLINE_MS } from './remote-port';
import { unaryMethodsOf, type BoundMethod } from './service-definition';
import { fromFailure } from './status';

export interface PipelineClientLimits {
  /** What calls that were sent and not yet taken may charge together. */
  readonly windowBytes: number;
  /** Calls without an answer; beyond them a call is `overloaded`. */
  readonly maxCalls: number;
  /** What calls that wait for credit may charge together; beyond it a call is `overloaded`. */
  readonly maxWaitingBytes: number;
}

const DEFAULT_LIMITS: PipelineClientLimits = {
  windowBytes: PIPELINE_WINDOW_BYTES,
  maxCalls: 100_000,
  maxWaitingBytes: 128 * 1024 * 1024,
};

const INT32_MAX = 0x7fff_ffff;

interface Waiting {
  readonly header: PipelinedCall;
  readonly request: Buffer;
}

/**
 * The calling end of a service's calls over one stream: they leave, and take effect, in the order in which they are made,
 * all that are made in one turn of the event loop in one frame. How they are answered depends on none before them.
 */
export class PipelineClient<D extends ServiceDefinition> {
  /** The service's calls, carried by the stream. */
  readonly port: PortOf<D>;
  private readonly stream: BulkStream<Buffer>;
  private readonly limits: PipelineClientLimits;
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private creditBytes: number;
  private isFlushPlanned = false;

  /** @param key the stream's method in the service. */
  constructor(client: grpc.Client, service: D, key: string, limits: Partial<PipelineClientLimits> = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.creditBytes = this.limits.windowBytes;
    this.stream = new BulkStream(client, service, key, {
      onFrame: (frame) => this.take(frame),
      onBreak: () => {
        this.waiting = [];
        this.waitingBytes = 0;
        this.creditBytes = this.limits.windowBytes;
      },
    });
    const bound = unaryMethodsOf(service);
    const methods = bound.map((method) => [
      method.key,
      (request: unknown, context?: CallContext) => this.call(method, request, context),
    ]);
    this.port = Object.fromEntries(methods) as PortOf<D>;
  }

  close(): void {
    this.stream.close();
  }

  private async call({ name, definition }: BoundMethod, request: unknown, context: CallContext = {}): Promise<unknown> {
    const { maxCalls, maxWaitingBytes } = this.limits;
    if (this.stream.size >= maxCalls || this.waitingBytes >= maxWaitingBytes) {
      throw new PortError('overloaded', `${definition.path}: ${this.stream.size} calls wait for their answers already`);
    }
    const deadlineMs = Math.min(Math.ceil(context.deadlineMs ?? DEFAULT_DEADLINE_MS), INT32_MAX);
    const response = await this.stream.call(deadlineMs, (correlationId) => {
      const message = definition.requestSerialize(request);
      refuseOversized(message);
      this.waiting.push({
        header: { correlationId, method: name, deadlineMs, requestBytes: message.length },
        request: message,
      });
      this.waitingBytes += chargeOf(message.length);
      this.planFlush();
    });
    return definition.responseDeserialize(response);
  }

  private take(frame: Buffer): void {
    const { header, payload } = decodeBulkFrame(PipelineResponse, frame);
    const sizes = header.answers.map(({ responseBytes }) => responseBytes);
    const responses = splitPayload(payload, sizes);
    for (const [index, { correlationId, failure }] of header.answers.entries()) {
      if (failure) this.stream.reject(correlationId, fromFailure(failure, 'pipeline'));
      else this.stream.resolve(correlationId, responses[index] ?? payload);
    }
    this.creditBytes += header.creditBytes;
    if (this.waiting.length > 0) this.planFlush();
  }

  private planFlush(): void {
    if (this.isFlushPlanned) return;
    this.isFlushPlanned = true;
    setImmediate(() => {
      this.isFlushPlanned = false;
      this.flush();
    });
  }

  /** Sends what waits, as far as credit allows. */
  private flush(): void {
    let frame: Waiting[] = [];
    let frameBytes = 0;
    let taken = 0;
    for (const next of this.waiting) {
      const charge = chargeOf(next.request.length);
      // A call that is larger than the whole window goes when nothing else is on its way.
      if (charge > this.creditBytes && this.creditBytes < this.limits.windowBytes) break;
      taken += 1;
      this.waitingBytes -= charge;
      if (!this.stream.isPending(next.header.correlationId)) continue;
      if (frameBytes + charge > PIPELINE_FRAME_BYTES && frame.length > 0) {
        this.send(frame);
        frame = [];
        frameBytes = 0;
      }
      this.creditBytes -= charge;
      frame.push(next);
      frameBytes += charge;
    }
    if (frame.length > 0) this.send(frame);
    this.waiting = this.waiting.slice(taken);
  }

  private send(calls: readonly Waiting[]): void {
    const header = { calls: calls.map((each) => each.header) };
    const requests = calls.map(({ request }) => request);
    this.stream.write(encodeBulkFrame(PipelineRequest, header, requests));
  }
}
