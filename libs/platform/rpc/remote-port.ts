import * as grpc from '@grpc/grpc-js';
import type { CallContext, PortOf, ServiceDefinition } from '@streamline/wire/contracts/port';
import { HOPS_KEY, methodsOf, type BoundMethod } from './service-definition';
import { fromServiceError } from './status';

/** Nobody waits longer than this for a control call, unless the call itself says so. */
export const DEFAULT_DEADLINE_MS = 30_000;

type Definition = grpc.MethodDefinition<unknown, unknown>;

function unary(client: grpc.Client, { path, requestSerialize, responseDeserialize }: Definition) {
  return (request: unknown, context: CallContext = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + (context.deadlineMs ?? DEFAULT_DEADLINE_MS);
      const metadata = new grpc.Metadata();
      if (context.hops !== undefined) metadata.set(HOPS_KEY, String(context.hops));
      const call = client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        { deadline },
        (error, value) => {
          context.signal?.removeEventListener('abort', cancel);
          if (error) reject(fromServiceError(error, path));
          else resolve(value);
        },
      );
      const cancel = (): void => call.cancel();
      context.signal?.addEventListener('abort', cancel, { once: true });
      if (context.signal?.aborted) cancel();
    });
}

function serverStream(client: grpc.Client, { path, requestSerialize, responseDeserialize }: Definition) {
  return async function* (request: unknown, context: CallContext = {}): AsyncGenerator<unknown> {
    const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
    const cancel = (): void => call.cancel();
    context.signal?.addEventListener('abort', cancel, { once: true });
    if (context.signal?.aborted) cancel();
    try {
      yield* call;
    } catch (error) {
      throw fromServiceError(error, path);
    } finally {
      context.signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  };
}

/** Binds a service's port to a peer: the same calls as in process, carried by gRPC. */
export function remotePort<D extends ServiceDefinition>(service: D, client: grpc.Client): PortOf<D> {
  const bind = ({ key, definition }: BoundMethod): [string, unknown] => [
    key,
    definition.responseStream ? serverStream(client, definition) : unary(client, definition),
  ];
  const control = methodsOf(service).filter(({ definition }) => !definition.requestStream);
  return Object.fromEntries(control.map(bind)) as PortOf<D>;
}
