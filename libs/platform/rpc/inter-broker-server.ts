import * as grpc from '@grpc/grpc-js';
import { Server as NestServer, Transport, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { ServiceDefinition } from '@streamline/wire/contracts/port';
import { firstValueFrom } from 'rxjs';
import type { TakeLink } from '../security/connection-sorter';
import type { InterBrokerListener, InterBrokerSecurity } from '../security/inter-broker-security';
import { HealthService } from './health-service';
import { pumpStream } from './pump-stream';
import { addReflection } from './reflection';
import { MESSAGE_BYTES_MAX, methodsOf, type ServerCall } from './service-definition';
import { toStatus } from './status';

/** HTTP/2 window of bulk streams: 64 KiB, the default, halves their speed (docs/performance.md). */
export const FLOW_CONTROL_WINDOW_BYTES = 16 * 1024 * 1024;

/** Plain grpc-js handlers for the bulk methods of a service, by their key in the definition. */
export type BulkHandlers = Readonly<Record<string, BulkHandler>>;
type BulkHandler = (call: grpc.ServerDuplexStream<Buffer, Buffer>) => void;

export interface ServedService {
  readonly definition: ServiceDefinition;
  readonly bulk?: BulkHandlers;
}

export interface InterBrokerServerOptions {
  readonly host: string;
  readonly port: number;
  readonly services: readonly ServedService[];
  /** Who takes the links of other brokers, where there is somebody. */
  readonly takeLink?: TakeLink | undefined;
  readonly security: InterBrokerSecurity;
}

/** The address cannot be listened on; names it and why. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/**
 * Nest transport of the inter-broker port: finds the `@GrpcMethod` handlers that `ServePort` made, serves bulk methods
 * with plain grpc-js handlers on the same listener, and adds the gRPC health and reflection services.
 */
export class InterBrokerServer extends NestServer implements CustomTransportStrategy {
  override readonly transportId = Transport.GRPC;
  private readonly server = new grpc.Server({
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
  private readonly health: HealthService;
  private listener: InterBrokerListener | undefined;

  constructor(private readonly options: InterBrokerServerOptions) {
    super();
    this.health = new HealthService(options.services.map((service) => service.definition.fullName));
  }

  /** The port that is listened on, also when port 0 was asked for; 0 before. */
  get port(): number {
    return this.listener?.port ?? 0;
  }

  /** What the health service answers for a service, or for the whole listener (`''`). */
  setServing(serving: boolean, service = ''): void {
    this.health.setServing(serving, service);
  }

  override listen(callback: (error?: unknown) => void): void {
    for (const service of this.options.services) this.addService(service);
    this.health.addToServer(this.server);
    addReflection(this.server);
    const { host, port, security, takeLink } = this.options;
    const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    security.listen(this.server, host, port, takeLink).then(
      (listener) => {
        this.listener = listener;
        callback();
      },
      (error: Error) => callback(new ListenError(`cannot listen on ${address} for other nodes: ${error.message}`)),
    );
  }

  /** Finishes what is in flight; what is not done within a second is cut. */
  override async close(): Promise<void> {
    this.health.setServing(false, '');
    this.listener?.close();
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => {
        this.server.forceShutdown();
        // gRPC waits for good for a connection that broke in the very moment.
        resolve();
      }, 1_000);
      this.server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }

  override on(): void {}

  override unwrap<T>(): T {
    return this.server as T;
  }

  private addService({ definition, bulk }: ServedService): void {
    const methods: Record<string, grpc.MethodDefinition<unknown, unknown>> = {};
    const handlers: grpc.UntypedServiceImplementation = {};
    for (const { key, definition: method } of methodsOf(definition)) {
      methods[key] = method;
      if (method.requestStream) {
        const handler = bulk?.[key];
        if (handler) handlers[key] = serveBulk(handler) as grpc.UntypedHandleCall;
        continue;
      }
      const found = this.handlerOf(definition.fullName, method.path.slice(method.path.lastIndexOf('/') + 1));
      if (found) handlers[key] = method.responseStream ? this.streaming(found) : this.unary(found);
    }
    this.server.addService(methods, handlers);
  }

  private handlerOf(service: string, rpc: string): MessageHandler | null {
    return this.getHandlerByPattern(this.normalizePattern({ service, rpc, streaming: 'no_stream' }));
  }

  private async result(handler: MessageHandler, call: ServerCall, request: unknown): Promise<unknown> {
    return firstValueFrom(this.transformToObservable(await handler(request, call)));
  }

  private unary(handler: MessageHandler): grpc.handleUnaryCall<unknown, unknown> {
    return (call, callback) => {
      this.result(handler, call, call.request).then(
        (value) => callback(null, value),
        (error: unknown) => callback(rpcStatus(error)),
      );
    };
  }

  private streaming(handler: MessageHandler): grpc.handleServerStreamingCall<unknown, unknown> {
    return (call) => {
      this.result(handler, call, call.request)
        .then((values) => pumpStream(values as AsyncIterable<unknown>, call))
        .catch((error: unknown) => call.emit('error', rpcStatus(error)));
    };
  }
}

/** A role that has not started, or has stopped, refuses the stream: grpc-js would not say why. */
function serveBulk(handler: BulkHandler): BulkHandler {
  return (call) => {
    try {
      handler(call);
    } catch (error) {
      call.emit('error', toStatus(error));
    }
  };
}

/** `ServePort` throws a status as an RpcException, of which Nest passes on the payload. */
function rpcStatus(error: unknown): { code: grpc.status; details: string } {
  const payload = error as { code?: unknown; details?: unknown };
  if (typeof payload.code === 'number' && typeof payload.details === 'string') {
    return { code: payload.code, details: payload.details };
  }
  return toStatus(error);
}
