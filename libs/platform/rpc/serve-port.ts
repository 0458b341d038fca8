import { Ctx, GrpcMethod, Payload, RpcException } from '@nestjs/microservices';
import type { CallContext, ServiceDefinition } from '@streamline/wire/contracts/port';
import { HOPS_KEY, methodsOf, type ServerCall } from './service-definition';
import { toStatus } from './status';

type Handler = (request: unknown, context: CallContext) => unknown;

/** A Nest controller that shows a port over gRPC. */
export interface PortController {
  readonly port: object;
}

/** What a handler may know of its caller: how long it waits, and when it has gone. */
function contextOf(call: ServerCall): CallContext {
  const deadline = call.getDeadline();
  const end = deadline instanceof Date ? deadline.getTime() : deadline;
  const abort = new AbortController();
  call.on('cancelled', () => abort.abort());
  const hops = Number(call.metadata.get(HOPS_KEY)[0] ?? 0);
  const context = { signal: abort.signal, ...(hops > 0 && { hops }) };
  return Number.isFinite(end) ? { ...context, deadlineMs: Math.max(0, end - Date.now()) } : context;
}

/**
 * Class decorator: gives a controller one `@GrpcMethod` for every control method of the service, each of which does
 * nothing but call the same method of its `port`. So a port is implemented once and cannot differ by transport.
 */
export function ServePort(service: ServiceDefinition) {
  return (target: new (...args: never[]) => PortController): void => {
    for (const { key, definition } of methodsOf(service)) {
      if (definition.requestStream) continue;
      const descriptor: TypedPropertyDescriptor<unknown> = {
        configurable: true,
        writable: true,
        value: async function (this: PortController, request: unknown, call: ServerCall): Promise<unknown> {
          try {
            const method = (this.port as Record<string, Handler | undefined>)[key];
            if (!method) throw new Error(`${service.fullName} is served without an implementation of ${key}`);
            return await method.call(this.port, request, contextOf(call));
          } catch (error) {
            // Nest hides what it does not know: the caller is to see the reason.
            throw new RpcException(toStatus(error));
          }
        },
      };
      Object.defineProperty(target.prototype, key, descriptor);
      const rpcName = definition.path.slice(definition.path.lastIndexOf('/') + 1);
      Payload()(target.prototype, key, 0);
      Ctx()(target.prototype, key, 1);
      GrpcMethod(service.fullName, rpcName)(target.prototype, key, descriptor);
    }
  };
}
