import * as grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createRequire } from 'node:module';
import path from 'node:path';

const resolve = createRequire(import.meta.url).resolve;

function loadClient(file: string, service: string): grpc.ServiceClientConstructor {
  const definition = loadSync(file)[service];
  return grpc.makeGenericClientConstructor(definition as grpc.ServiceDefinition, service);
}

const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

interface HealthAnswer {
  readonly status: unknown;
}

function healthClient(
  address: string,
  credentials = grpc.credentials.createInsecure(),
): InstanceType<grpc.ServiceClientConstructor> {
  const file = path.join(path.dirname(resolve('grpc-health-check/package.json')), 'proto/health/v1/health.proto');
  return new (loadClient(file, 'grpc.health.v1.Health'))(address, credentials);
}

function nameOf({ status }: HealthAnswer): string {
  return STATUS_NAMES[Number(status)] ?? 'UNKNOWN';
}

/** Asks the standard health service, as a load balancer would: `SERVING`, `NOT_SERVING` ... */
export async function checkHealth(address: string, service: string, credentials?: grpc.ChannelCredentials): Promise<string> {
  const client = healthClient(address, credentials);
  const check = client['check'] as (request: object, callback: (error: Error | null, answer: HealthAnswer) => void) => void;
  try {
    return await new Promise((done, fail) => {
      check.call(client, { service }, (error, value) => (error ? fail(error) : done(nameOf(value))));
    });
  } finally {
    client.close();
  }
}

/** The status of every service that the health service knows, by name. */
export async function listHealth(address: string): Promise<Record<string, string>> {
  const client = healthClient(address);
  const list = client['list'] as (
    request: object,
    callback: (error: Error | null, answer: { readonly statuses: Readonly<Record<string, HealthAnswer>> }) => void,
  ) => void;
  try {
    return await new Promise((done, fail) => {
      list.call(client, {}, (error, value) => {
        if (error) fail(error);
        else done(Object.fromEntries(Object.entries(value.statuses).map(([name, each]) => [name, nameOf(each)])));
      });
    });
  } finally {
    client.close();
  }
}

/** Watches a service's status: `next` gives the one that comes next. */
export function watchHealth(address: string, service: string): { next(): Promise<string>; end(): void } {
  const client = healthClient(address);
  const watch = client['watch'] as (request: object) => grpc.ClientReadableStream<HealthAnswer>;
  const call = watch.call(client, { service });
  // It ends by being cancelled.
  call.on('error', () => undefined);
  const answers = call[Symbol.asyncIterator]() as AsyncIterator<HealthAnswer>;
  return {
    next: async () => nameOf((await answers.next()).value as HealthAnswer),
    end: () => {
      call.cancel();
      client.close();
    },
  };
}

/** Lists services over server reflection, as grpcurl does. */
export async function listServices(
  address: string,
  credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
): Promise<string[]> {
  const file = path.join(
    path.dirname(resolve('@grpc/reflection/package.json')),
    'build/proto/grpc/reflection/v1/reflection.proto',
  );
  const Client = loadClient(file, 'grpc.reflection.v1.ServerReflection');
  const client = new Client(address, credentials);
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
