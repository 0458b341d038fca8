import type * as grpc from '@grpc/grpc-js';
import type { MessageCodec, MethodDefinition, ServiceDefinition } from '@streamline/wire/contracts/port';

/** No message is larger, on any listener or channel: the largest Kafka frame and its header. */
export const MESSAGE_BYTES_MAX = 128 * 1024 * 1024;

/** gRPC metadata that carries `CallContext.hops`. */
export const HOPS_KEY = 'streamline-hops';

/** A method as both ends need it: ts-proto's codecs in grpc-js's clothes. */
export interface BoundMethod {
  /** The method's key in the port, in camel case. */
  readonly key: string;
  /** The rpc's own name, such as "Heartbeat". */
  readonly name: string;
  readonly definition: grpc.MethodDefinition<unknown, unknown>;
}

/** A call as the serving side sees it, unary or streaming. */
export type ServerCall = grpc.ServerUnaryCall<unknown, unknown> | grpc.ServerWritableStream<unknown, unknown>;

/** Buffers pass through untouched: bulk frames are encoded and decoded by their own codec (a copy less each way). */
const PASS_THROUGH = {
  serialize: (frame: unknown): Buffer => asBuffer(frame as Uint8Array),
  deserialize: (frame: Buffer): unknown => frame,
};

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function serializer(codec: MessageCodec<never>): (message: unknown) => Buffer {
  return (message) => asBuffer(codec.encode(message as never).finish());
}

/** True for the methods that carry bulk bytes; they are served by plain grpc-js handlers. */
export function isBulk(method: MethodDefinition): boolean {
  return method.requestStream;
}

/** The methods of a generated service definition. */
export function methodsOf(service: ServiceDefinition): BoundMethod[] {
  return Object.entries(service.methods).map(([key, value]) => {
    const method = value as MethodDefinition;
    const bulk = isBulk(method);
    return {
      key,
      name: method.name,
      definition: {
        path: `/${service.fullName}/${method.name}`,
        requestStream: method.requestStream,
        responseStream: method.responseStream,
        requestSerialize: bulk ? PASS_THROUGH.serialize : serializer(method.requestType),
        requestDeserialize: bulk ? PASS_THROUGH.deserialize : (bytes: Buffer) => method.requestType.decode(bytes),
        responseSerialize: bulk ? PASS_THROUGH.serialize : serializer(method.responseType as MessageCodec<never>),
        responseDeserialize: bulk ? PASS_THROUGH.deserialize : (bytes: Buffer) => method.responseType.decode(bytes),
      },
    };
  });
}

/** The methods with one request and one response. */
export function unaryMethodsOf(service: ServiceDefinition): BoundMethod[] {
  return methodsOf(service).filter(({ definition }) => !definition.requestStream && !definition.responseStream);
}
