import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createRequire } from 'node:module';
import path from 'node:path';

const resolve = createRequire(import.meta.url).resolve;

function loadClient(file: string, service: string): grpc.ServiceClientConstructor {
  const definition = loadSync(file)[service];
  return grpc.makeGenericClientConstructor(definition as grpc.ServiceDefinition, service);
}

/** Asks the standard health service, as a load balancer would: `SERVING`, `NOT_SERVING` ... */
export async function checkHealth(address: string, service: string): Promise<string> {
  const file = path.join(path.dirname(resolve('grpc-health-check/package.json')), 'proto/health/v1/health.proto');
  const Client = loadClient(file, 'grpc.health.v1.Health');
  const client = new Client(address, grpc.credentials.createInsecure());
  const check = client['check'] as (
    request: object,
    callback: (error: Error | null, answer: { status: unknown }) => void,
  ) => void;
  try {
    const answer = await new Promise<{ status: unknown }>((done, fail) => {
      check.call(client, { service }, (error, value) => (error ? fail(error) : done(value)));
    });
    return ['UNKNOWN', 'SERVING', 'NOT_SERVING'][Number(answer.status)] ?? 'UNKNOWN';
  } finally {
    client.close();
  }
}

/** Lists services over server reflection, as grpcurl does. */
export async function listServices(address: string): Promise<string[]> {
  const file = path.join(
    path.dirname(resolve('@grpc/reflection/package.json')),
    'build/proto/grpc/reflection/v1/reflection.proto',
  );
  const Client = loadClient(file, 'grpc.reflection.v1.ServerReflection');
  const client = new Client(address, grpc.credentials.createInsecure());
  interface Answer {
    listServicesResponse?: { service: { name: string }[] };
  }
  const info = client['serverReflectionInfo'] as () => grpc.ClientDuplexStream<object, Answer>;
  try {
    const call = info.call(client);
    const answer = new Promise<Answer>((done, fail) => {
      call.once('data', done);
      call.once('error', fail);
    });
    call.write({ listServices: '*' });
    const names = (await answer).listServicesResponse?.service.map((service) => service.name) ?? [];
    call.end();
    return names;
  } finally {
    client.close();
  }
}
