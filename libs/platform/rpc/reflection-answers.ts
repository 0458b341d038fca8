import { Duplex } from 'node:stream';
import * as grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { DESCRIPTOR_SET_BASE64 } from '@streamline/wire/contracts/generated/descriptor-set';

interface Method {
  readonly definition: grpc.MethodDefinition<unknown, unknown>;
  readonly answer: grpc.UntypedHandleCall;
}

/** Takes over what the reflection service would add to a server; listens nowhere. */
class MethodCollector extends grpc.Server {
  readonly methods = new Map<string, Method>();

  override addService(service: grpc.ServiceDefinition, implementation: grpc.UntypedServiceImplementation): void {
    for (const [name, definition] of Object.entries(service)) {
      const answer = implementation[name] ?? implementation[definition.originalName ?? ''];
      if (answer !== undefined) this.methods.set(definition.path, { definition, answer });
    }
  }
}

let collected: ReadonlyMap<string, Method> | undefined;

function methods(): ReadonlyMap<string, Method> {
  if (collected !== undefined) return collected;
  const collector = new MethodCollector();
  const definition = loadFileDescriptorSetFromBuffer(Buffer.from(DESCRIPTOR_SET_BASE64, 'base64'));
  new ReflectionService(definition).addToServer(collector);
  collected = collector.methods;
  return collected;
}

/**
 * A stream of encoded questions in and encoded answers out, for a method of one of the reflection services.
 * @param path `/<service>/<method>`
 */
export function reflectionStream(path: string): Duplex {
  const method = methods().get(path);
  if (method === undefined) throw new Error(`the reflection service has no method ${path}`);
  const { requestDeserialize, responseSerialize } = method.definition;
  const encoded: Duplex = new Duplex({
    objectMode: true,
    read: () => undefined,
    write: (question: Buffer, _encoding, done) => {
      try {
        messages.push(requestDeserialize(question));
        done();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
    final: (done) => {
      messages.push(null);
      done();
    },
  });
  const messages: Duplex = new Duplex({
    objectMode: true,
    read: () => undefined,
    write: (answer: unknown, _encoding, done) => {
      encoded.push(responseSerialize(answer));
      done();
    },
    final: (done) => {
      encoded.push(null);
      done();
    },
  });
  // It asks of the stream no more than that.
  Reflect.apply(method.answer, undefined, [messages]);
  return encoded;
}
