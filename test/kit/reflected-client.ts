import { createRequire } from 'node:module';
import path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync } from '@grpc/proto-loader';

const resolve = createRequire(import.meta.url).resolve;

interface ReflectionAnswer {
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] };
}

type Call = (request: object, callback: (error: Error | null, answer: unknown) => void) => void;

/** A FileDescriptorSet is a message with one repeated field (number 1) of files. */
function descriptorSet(files: readonly Buffer[]): Buffer {
  return Buffer.concat(
    files.flatMap((file) => {
      const length: number[] = [];
      for (let rest = file.length; ; rest = Math.floor(rest / 128)) {
        length.push(rest < 128 ? rest : (rest % 128) + 128);
        if (rest < 128) break;
      }
      return [Buffer.from([0x0a, ...length]), file];
    }),
  );
}

/** Asks a server for the files that define a symbol, as grpcurl does. */
async function reflect(address: string, symbol: string): Promise<Buffer> {
  const folder = path.dirname(resolve('@grpc/reflection/package.json'));
  const name = 'grpc.reflection.v1.ServerReflection';
  const definition = loadSync(path.join(folder, 'build/proto/grpc/reflection/v1/reflection.proto'))[name];
  const Client = grpc.makeGenericClientConstructor(definition as grpc.ServiceDefinition, name);
  const client = new Client(address, grpc.credentials.createInsecure());
  try {
    const call = (client['serverReflectionInfo'] as () => grpc.ClientDuplexStream<object, ReflectionAnswer>).call(client);
    const answer = new Promise<ReflectionAnswer>((done, fail) => call.once('data', done).once('error', fail));
    call.write({ fileContainingSymbol: symbol });
    const files = (await answer).fileDescriptorResponse?.fileDescriptorProto ?? [];
    call.end();
    return descriptorSet(files);
  } finally {
    client.close();
  }
}

/** Calls a method of a service of which nothing is known but its name; fields keep their names of the proto file. */
export async function callReflected(address: string, service: string, method: string, request: object = {}): Promise<unknown> {
  const definition = loadFileDescriptorSetFromBuffer(await reflect(address, service), { keepCase: true, longs: Number });
  const Client = grpc.makeGenericClientConstructor(definition[service] as grpc.ServiceDefinition, service);
  const client = new Client(address, grpc.credentials.createInsecure());
  try {
    const call = client[method] as Call;
    return await new Promise((done, fail) => {
      call.call(client, request, (error, answer) => (error ? fail(error) : done(answer)));
    });
  } finally {
    client.close();
  }
}
