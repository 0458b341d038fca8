import type { ServerDuplexStream } from '@grpc/grpc-js';
import { decodeBulkFrame, encodeBulkFrame, splitPayload } from '@streamline/wire/contracts/bulk-frame';
import {
  PipelineRequest,
  PipelineResponse,
  type PipelinedAnswer,
  type PipelinedCall,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/pipeline';
import type { CallContext, ServiceDefinition } from '@streamline/wire/contracts/port';
import { PortError } from '@streamline/wire/contracts/port-error';
import { unaryMethodsOf, MESSAGE_BYTES_MAX, type BoundMethod } from './service-definition';
import { toFailure, toStatus } from './status';

/** What calls that were sent and not yet taken may charge together. */
export const PIPELINE_WINDOW_BYTES = 16 * 1024 * 1024;

/** Calls and answers are gathered into frames of so many bytes; one that is larger by itself gets a frame of its own. */
export const PIPELINE_FRAME_BYTES = 256 * 1024;

/** What every call charges beyond its message: its header and what it takes in memory. */
const CALL_BYTES = 128;

/** What a call charges against the window until it is taken. */
export function chargeOf(requestBytes: number): number {
  return requestBytes + CALL_BYTES;
}

/** Bounds on what one stream may have under way: calls beyond are refused as `overloaded`, each by itself. */
export interface PipelineLimits {
  readonly maxCalls: number;
  /** Of their messages; one call goes whatever its size. */
  readonly maxBytes: number;
}

export const DEFAULT_PIPELINE_LIMITS: PipelineLimits = { maxCalls: 100_000, maxBytes: 256 * 1024 * 1024 };

type Method = (request: unknown, context: CallContext) => Promise<unknown>;

interface Ready {
  readonly answer: PipelinedAnswer;
  readonly response: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/**
 * Serves the calls of a service over one stream: starts them in the order in which they come (a port's method takes effect
 * before it returns), sends each answer when it is there, and gives a call's charge back when it is taken, so that one that
 * waits long holds up no other. A call that fails fails alone. While the caller does not take its answers nothing is read.
 */
export function servePipeline(
  service: ServiceDefinition,
  portOf: () => object,
  call: ServerDuplexStream<Buffer, Buffer>,
  limits = DEFAULT_PIPELINE_LIMITS,
): void {
  new PipelineServer(service, portOf, call, limits);
}

class PipelineServer {
  private readonly methods: ReadonlyMap<string, BoundMethod>;
  private ready: Ready[] = [];
  private creditBytes = 0;
  private callsUnderWay = 0;
  private bytesUnderWay = 0;
  private isFlushPlanned = false;
  private isClogged = false;

  constructor(
    private readonly service: ServiceDefinition,
    private readonly portOf: () => object,
    private readonly call: ServerDuplexStream<Buffer, Buffer>,
    private readonly limits: PipelineLimits,
  ) {
    this.methods = new Map(unaryMethodsOf(service).map((method) => [method.name, method]));
    call.on('data', (frame: Buffer) => this.take(frame));
    call.on('drain', () => this.drained());
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  }

  private take(frame: Buffer): void {
    // The caller takes what comes behind a frame that ended the stream for failed.
    if (this.call.writableEnded) return;
    try {
      const { header, payload } = decodeBulkFrame(PipelineRequest, frame);
      const sizes = header.calls.map(({ requestBytes }) => requestBytes);
      const requests = splitPayload(payload, sizes);
      for (const [index, each] of header.calls.entries()) this.start(each, requests[index] ?? payload);
    } catch (error) {
      // A frame that cannot be read names no calls that could fail alone.
      this.call.emit('error', toStatus(error));
    }
    this.planFlush();
  }

  /** The closures keep nothing of the request: a call that waits would keep the whole frame. */
  private start(header: PipelinedCall, request: Buffer): void {
    const { correlationId } = header;
    const { length } = request;
    this.creditBytes += chargeOf(length);
    const { maxCalls, maxBytes } = this.limits;
    const isFull = this.callsUnderWay > 0 && this.bytesUnderWay + length > maxBytes;
    if (isFull || this.callsUnderWay >= maxCalls) {
      this.ready.push(failureOf(correlationId, new PortError('overloaded', `${this.callsUnderWay} calls are under way`)));
      return;
    }
    this.callsUnderWay += 1;
    this.bytesUnderWay += length;
    try {
      const { key, definition } = this.methodOf(header.method);
      const port = this.portOf() as Record<string, Method | undefined>;
      const started = port[key]?.(definition.requestDeserialize(request), { deadlineMs: header.deadlineMs });
      if (!started) throw new Error(`${this.service.fullName} is served without an implementation of ${key}`);
      started.then(
        (response) => this.succeeded(correlationId, length, definition.responseSerialize, response),
        (error: unknown) => this.failed(correlationId, length, error),
      );
    } catch (error) {
      this.failed(correlationId, length, error);
    }
  }

  private methodOf(name: string): BoundMethod {
    const method = this.methods.get(name);
    if (!method) throw new PortError('invalid', `${this.service.fullName} has no unary method ${name}`);
    return method;
  }

  private succeeded(correlationId: number, requestBytes: number, encode: (message: unknown) => Buffer, message: unknown): void {
    try {
      const response = encode(message);
      if (response.length > MESSAGE_BYTES_MAX - PIPELINE_FRAME_BYTES) {
        throw new PortError('internal', `an answer of ${response.length} bytes fits into no frame`);
      }
      this.ended(requestBytes, { answer: { correlationId, responseBytes: response.length }, response });
    } catch (error) {
      this.failed(correlationId, requestBytes, error);
    }
  }

  private failed(correlationId: number, requestBytes: number, error: unknown): void {
    this.ended(requestBytes, failureOf(correlationId, error));
  }

  private ended(requestBytes: number, ready: Ready): void {
    this.callsUnderWay -= 1;
    this.bytesUnderWay -= requestBytes;
    this.ready.push(ready);
    this.planFlush();
  }

  /** What becomes ready in one turn of the event loop shares frames. */
  private planFlush(): void {
    if (this.isFlushPlanned || this.isClogged) return;
    this.isFlushPlanned = true;
    setImmediate(() => {
      this.isFlushPlanned = false;
      this.flush();
    });
  }

  private flush(): void {
    const { ready, call } = this;
    let sent = 0;
    while (!this.isClogged && (sent < ready.length || this.creditBytes > 0)) {
      if (call.cancelled || call.writableEnded) {
        this.ready = [];
        return;
      }
      const end = frameEnd(ready, sent);
      this.isClogged = !call.write(this.frameOf(ready.slice(sent, end)));
      sent = end;
    }
    this.ready = sent === ready.length ? [] : ready.slice(sent);
    if (this.isClogged) call.pause();
  }

  private frameOf(ready: readonly Ready[]): Buffer {
    const header = { answers: ready.map(({ answer }) => answer), creditBytes: this.creditBytes };
    this.creditBytes = 0;
    return encodeBulkFrame(
      PipelineResponse,
      header,
      ready.map(({ response }) => response),
    );
  }

  private drained(): void {
    this.isClogged = false;
    this.call.resume();
    this.flush();
  }
}

function failureOf(correlationId: number, error: unknown): Ready {
  return { answer: { correlationId, responseBytes: 0, failure: toFailure(error) }, response: NO_BYTES };
}

/** Where the frame ends that begins with this answer. */
function frameEnd(ready: readonly Ready[], from: number): number {
  let end = from;
  for (let bytes = 0; end < ready.length; end += 1) {
    bytes += (ready[end]?.response.length ?? 0) + CALL_BYTES;
    if (bytes > PIPELINE_FRAME_BYTES && end > from) break;
  }
  return end;
}
