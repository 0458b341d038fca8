import 'reflect-metadata';
import type * as grpc from '@grpc/grpc-js';
import { Controller, Inject, Module, type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ControllerServiceDefinition } from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import {
  AppendRequest,
  AppendResponse,
  FetchRequest,
  FetchResponse,
  PartitionServiceDefinition,
} from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { PortError } from '@streamline/wire/contracts/port-error';
import type {
  AnswerRoom,
  BulkAppend,
  BulkFetched,
  ControllerPort,
  FetchContext,
  PartitionPort,
} from '@streamline/wire/contracts/ports';
import { LEAST_ANSWER_BYTES } from '@streamline/runtime/gateway/answer-budget';
import { checkHealth, listHealth, listServices, watchHealth } from '@streamline/testing/grpc/generic-client';
import { until } from '@streamline/testing/time/until';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PLAIN_TEXT } from '../security/plain-text';
import { AppendClient } from './append-client';
import { serveAppend } from './append-server';
import { openChannel } from './channel';
import { FetchClient } from './fetch-client';
import { serveFetch } from './fetch-server';
import { InterBrokerServer } from './inter-broker-server';
import { remotePort } from './remote-port';
import { MESSAGE_BYTES_MAX } from './service-definition';
import { ServePort } from './serve-port';

const PORT = Symbol('port');
const WINDOW_BYTES = 1024 * 1024;

@Controller()
@ServePort(ControllerServiceDefinition)
class ControllerGrpc {
  constructor(@Inject(PORT) readonly port: ControllerPort) {}
}

/** A port of which a test implements what it needs. */
function fake<T extends object>(methods: Partial<T>): T {
  return methods as T;
}

let app: INestMicroservice | undefined;
let client: grpc.Client | undefined;
let appends: AppendClient | undefined;
let fetches: FetchClient | undefined;

async function serve(port: ControllerPort, partitions: PartitionPort = fake<PartitionPort>({})): Promise<InterBrokerServer> {
  @Module({ controllers: [ControllerGrpc], providers: [{ provide: PORT, useValue: port }] })
  class TestModule {}
  const server = new InterBrokerServer({
    host: '127.0.0.1',
    port: 0,
    security: PLAIN_TEXT,
    services: [
      { definition: ControllerServiceDefinition },
      {
        definition: PartitionServiceDefinition,
        bulk: {
          append: (call) => serveAppend(partitions, call, WINDOW_BYTES),
          fetch: (call) => serveFetch(partitions, call, WINDOW_BYTES),
        },
      },
    ],
  });
  app = await NestFactory.createMicroservice(TestModule, { strategy: server, logger: false });
  await app.listen();
  client = openChannel(`127.0.0.1:${server.port}`, PLAIN_TEXT.channelCredentials);
  return server;
}

function connectedAppends(): AppendClient {
  appends ??= new AppendClient(connected(), WINDOW_BYTES);
  return appends;
}

function connected(): grpc.Client {
  if (!client) throw new Error('serve first');
  return client;
}

beforeEach(() => {
  app = undefined;
  client = undefined;
  appends = undefined;
  fetches = undefined;
});

afterEach(async () => {
  appends?.close();
  fetches?.close();
  client?.close();
  await app?.close();
});

describe('a control port over gRPC', () => {
  it('gives the same answer as the direct call, int64 exact', async () => {
    const allocate = vi.fn(() => Promise.resolve({ error: undefined, firstProducerId: Number.MAX_SAFE_INTEGER, count: 1000 }));
    await serve(fake<ControllerPort>({ allocateProducerIds: allocate }));
    const port = remotePort(ControllerServiceDefinition, connected());
    const answer = await port.allocateProducerIds({ brokerId: 3, brokerEpoch: 7 });
    expect(answer).toEqual({ error: undefined, firstProducerId: Number.MAX_SAFE_INTEGER, count: 1000 });
    expect(allocate).toHaveBeenCalledWith({ brokerId: 3, brokerEpoch: 7 }, expect.anything());
  });

  it('carries the reason of a failure', async () => {
    await serve(
      fake<ControllerPort>({
        allocateProducerIds: () => Promise.reject(new PortError('overloaded', 'the queue holds 1000 commands')),
      }),
    );
    const port = remotePort(ControllerServiceDefinition, connected());
    const failure = port.allocateProducerIds({ brokerId: 1, brokerEpoch: 1 });
    await expect(failure).rejects.toMatchObject({ name: 'PortError', code: 'overloaded' });
    await expect(failure).rejects.toThrow('the queue holds 1000 commands');
  });

  it('tells the callee its deadline and ends the wait there', async () => {
    let seen: number | undefined;
    await serve(
      fake<ControllerPort>({
        allocateProducerIds: (_request, context) => {
          seen = context?.deadlineMs;
          return new Promise(() => undefined);
        },
      }),
    );
    const port = remotePort(ControllerServiceDefinition, connected());
    // The deadline is the call's: connecting on a busy machine is not to be a part of it.
    await new Promise<void>((resolve, reject) => {
      connected().waitForReady(Date.now() + 60_000, (error) => (error ? reject(error) : resolve()));
    });
    await expect(port.allocateProducerIds({ brokerId: 1, brokerEpoch: 1 }, { deadlineMs: 1_000 })).rejects.toMatchObject({
      code: 'deadline',
    });
    expect(seen).toBeGreaterThan(0);
    expect(seen).toBeLessThanOrEqual(1_000);
  });

  it('streams, and stops the source when the reader goes', async () => {
    let stopped = false;
    await serve(
      fake<ControllerPort>({
        async *followMetadata() {
          try {
            for (let index = 1; ; index += 1) {
              yield {
                snapshotStart: false,
                snapshotEnd: false,
                records: [Buffer.from([index])],
                metadataIndex: index,
                committedIndex: index,
              };
              await new Promise((resolve) => setImmediate(resolve));
            }
          } finally {
            stopped = true;
          }
        },
      }),
    );
    const port = remotePort(ControllerServiceDefinition, connected());
    const seen: number[] = [];
    for await (const update of port.followMetadata({ fromIndex: 1, follower: 'test' })) {
      seen.push(update.metadataIndex);
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([1, 2, 3]);
    await until(() => stopped);
  });

  it('fails as unavailable where nobody listens', async () => {
    client = openChannel('127.0.0.1:1', PLAIN_TEXT.channelCredentials);
    const port = remotePort(ControllerServiceDefinition, client);
    await expect(port.allocateProducerIds({ brokerId: 1, brokerEpoch: 1 }, { deadlineMs: 5_000 })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});

describe('an append stream', () => {
  function request(partition: number, bytes: Buffer): BulkAppend {
    return {
      request: AppendRequest.fromPartial({
        requiredAcks: -1,
        timeoutMs: 5_000,
        partitions: [{ topicId: 't', partition, recordBytes: bytes.length }],
      }),
      records: [bytes],
    };
  }

  it('takes effect in call order and answers by correlation, with the bytes as they were', async () => {
    const seen: BulkAppend[] = [];
    const release: (() => void)[] = [];
    const append = (bulk: BulkAppend) => {
      seen.push(bulk);
      return new Promise<AppendResponse>((resolve) => {
        release.push(() => resolve(AppendResponse.fromPartial({ partitions: [{ baseOffset: bulk.records[0]?.[0] ?? -1 }] })));
      });
    };
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ append }));
    const answers = [1, 2, 3].map((value) => connectedAppends().append(request(value, Buffer.alloc(100_000, value))));
    await until(() => seen.length === 3);
    expect(seen.map((bulk) => bulk.request.partitions[0]?.partition)).toEqual([1, 2, 3]);
    expect(seen[1]?.records[0]?.equals(Buffer.alloc(100_000, 2))).toBe(true);
    for (const done of release.reverse()) done();
    const offsets = (await Promise.all(answers)).map((answer) => answer.partitions[0]?.baseOffset);
    expect(offsets).toEqual([1, 2, 3]);
  });

  it('keeps at most the window under way', async () => {
    const release: (() => void)[] = [];
    const append = () => new Promise<AppendResponse>((resolve) => release.push(() => resolve(AppendResponse.create())));
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ append }));
    appends = new AppendClient(connected(), WINDOW_BYTES);
    const bytes = Buffer.alloc(WINDOW_BYTES / 4);
    const answers = Array.from({ length: 6 }, (_, index) => connectedAppends().append(request(index, bytes)));
    await until(() => release.length === 4);
    release[0]?.();
    await answers[0];
    await until(() => release.length === 5);
    release[1]?.();
    await until(() => release.length === 6);
    for (const done of release) done();
    await Promise.all(answers);
  });

  it('cuts a client that ignores the window', async () => {
    const append = () => new Promise<AppendResponse>(() => undefined);
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ append }));
    appends = new AppendClient(connected(), 10 * WINDOW_BYTES);
    const bytes = Buffer.alloc(WINDOW_BYTES);
    const outcomes = await Promise.allSettled([1, 2, 3].map((index) => connectedAppends().append(request(index, bytes))));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'rejected']);
  });

  it('leaves a storage its time, however short the timeout of the request is', async () => {
    const release: (() => void)[] = [];
    const append = () => new Promise<AppendResponse>((resolve) => release.push(() => resolve(AppendResponse.create())));
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ append }));
    const intervals = vi.spyOn(globalThis, 'setInterval');
    const hasty = request(0, Buffer.from('x'));
    const answer = connectedAppends().append({
      ...hasty,
      request: { ...hasty.request, requiredAcks: 1, timeoutMs: -2_147_483_648 },
    });
    await until(() => release.length === 1);
    // Whatever looks at deadlines does so now.
    for (const [look] of intervals.mock.calls) look();
    intervals.mockRestore();
    for (const done of release) done();
    await expect(answer).resolves.toMatchObject({ partitions: [] });
  });

  it('fails an append that is refused, throws or is too large for any frame, and no other', async () => {
    const release: (() => void)[] = [];
    const append = ({ request: { partitions } }: BulkAppend): Promise<AppendResponse> => {
      if (partitions[0]?.partition === 1) throw new Error('a defect');
      if (partitions[0]?.partition === 2) return Promise.reject(new PortError('overloaded', 'the journal is full'));
      return new Promise((resolve) => release.push(() => resolve(AppendResponse.create())));
    };
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ append }));
    const waiting = connectedAppends().append(request(0, Buffer.from('x')));
    await expect(connectedAppends().append(request(1, Buffer.from('x')))).rejects.toMatchObject({ code: 'internal' });
    await expect(connectedAppends().append(request(2, Buffer.from('x')))).rejects.toMatchObject({ code: 'overloaded' });
    const larger = request(3, Buffer.alloc(MESSAGE_BYTES_MAX));
    await expect(connectedAppends().append(larger)).rejects.toMatchObject({ code: 'invalid' });
    await until(() => release.length === 1);
    release[0]?.();
    await expect(waiting).resolves.toMatchObject({ partitions: [] });
  });

  it('fails what is under way when the server goes, and works again with the next one', async () => {
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ append: () => new Promise(() => undefined) }));
    const lost = connectedAppends().append(request(0, Buffer.from('x')));
    const outcome = expect(lost).rejects.toMatchObject({ code: 'unavailable' });
    await app?.close();
    await outcome;
  });
});

describe('a fetch stream', () => {
  it('hands out the bytes and passes a cancellation on', async () => {
    const aborted = vi.fn();
    const fetch = (request: FetchRequest, context?: { signal?: AbortSignal }): Promise<BulkFetched> => {
      if (request.maxWaitMs === 0) {
        const response = FetchResponse.fromPartial({ partitions: [{ highWatermark: 9, lastStableOffset: 9 }] });
        return Promise.resolve({ response, records: [[Buffer.from('ab'), Buffer.from('cd')]] });
      }
      return new Promise((_resolve, reject) => {
        context?.signal?.addEventListener('abort', () => {
          aborted();
          reject(new PortError('cancelled', 'gone'));
        });
      });
    };
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ fetch }));
    const open = new FetchClient(connected());
    fetches = open;
    const fetched = await open.fetch(FetchRequest.create({ maxWaitMs: 0 }));
    expect(Buffer.concat(fetched.records[0] ?? []).toString()).toBe('abcd');
    expect(fetched.response.partitions[0]?.highWatermark).toBe(9);

    const abort = new AbortController();
    const waiting = open.fetch(FetchRequest.create({ maxWaitMs: 20_000 }), { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    await until(() => aborted.mock.calls.length > 0);
  });

  it('lets polls that wait cost nothing, and others find less while the caller does not take what was sent', async () => {
    const seen: number[] = [];
    const fetch = async ({ maxWaitMs, minBytes, maxBytes }: FetchRequest, { room }: FetchContext = {}): Promise<BulkFetched> => {
      const found = Math.min(maxBytes, room?.enter() ?? 0);
      if (maxWaitMs > 0) {
        room?.leave();
        return new Promise(() => undefined);
      }
      seen.push(found);
      // The first batch is given whole, whatever the room.
      const bytes = Buffer.alloc(minBytes > found ? minBytes : found);
      return { response: FetchResponse.create({ partitions: [{ highWatermark: 9 }] }), records: [[bytes]] };
    };
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ fetch }));
    const open = new FetchClient(connected());
    fetches = open;
    for (let poll = 0; poll < 1_000; poll += 1) open.fetch(FetchRequest.create({ maxWaitMs: 60_000 })).catch(() => undefined);
    const take: (() => void)[] = [];
    const room: AnswerRoom = { enter: () => WINDOW_BYTES, leave: () => undefined, whenFree: (task) => take.push(task) };
    const half = FetchRequest.create({ maxBytes: WINDOW_BYTES / 2 });
    await open.fetch(half, { room });
    await open.fetch(half, { room });
    const large = open.fetch({ ...half, minBytes: WINDOW_BYTES / 4 }, { room });
    expect((await open.fetch(half)).records[0]?.[0]).toHaveLength(LEAST_ANSWER_BYTES);
    expect(seen).toEqual([WINDOW_BYTES / 2, WINDOW_BYTES / 2, LEAST_ANSWER_BYTES, LEAST_ANSWER_BYTES]);
    expect(await Promise.race([large, Promise.resolve('waits')])).toBe('waits');
    for (const task of take) task();
    expect((await large).records[0]?.[0]).toHaveLength(WINDOW_BYTES / 4);
    await open.fetch(half);
    expect(seen.at(-1)).toBe(WINDOW_BYTES / 2);
  });

  it('fails a fetch that is refused or throws, and no other', async () => {
    let release: (() => void) | undefined;
    const fetch = ({ maxWaitMs }: FetchRequest): Promise<BulkFetched> => {
      if (maxWaitMs === 1) throw new Error('a defect');
      if (maxWaitMs === 2) return Promise.reject(new PortError('overloaded', 'too many wait'));
      return new Promise((resolve) => (release = () => resolve({ response: FetchResponse.create(), records: [] })));
    };
    await serve(fake<ControllerPort>({}), fake<PartitionPort>({ fetch }));
    const open = new FetchClient(connected());
    fetches = open;
    const waiting = open.fetch(FetchRequest.create({ maxWaitMs: 20_000 }));
    await expect(open.fetch(FetchRequest.create({ maxWaitMs: 1 }))).rejects.toMatchObject({ code: 'internal' });
    await expect(open.fetch(FetchRequest.create({ maxWaitMs: 2 }))).rejects.toMatchObject({ code: 'overloaded' });
    release?.();
    await expect(waiting).resolves.toMatchObject({ records: [] });
  });
});

describe('the inter-broker listener', () => {
  it('answers health checks', async () => {
    const server = await serve(fake<ControllerPort>({}));
    const address = `127.0.0.1:${server.port}`;
    expect(await checkHealth(address, '')).toBe('NOT_SERVING');
    server.setServing(true);
    expect(await checkHealth(address, '')).toBe('SERVING');
    expect(await checkHealth(address, 'streamline.controller.v1.ControllerService')).toBe('NOT_SERVING');
    await expect(checkHealth(address, 'nobody')).rejects.toThrow('5 NOT_FOUND: there is no service nobody');
  });

  it('tells watchers of the health service when it changes, and lists all services with theirs', async () => {
    const server = await serve(fake<ControllerPort>({}));
    const address = `127.0.0.1:${server.port}`;
    const watch = watchHealth(address, '');
    expect(await watch.next()).toBe('NOT_SERVING');
    server.setServing(true);
    expect(await watch.next()).toBe('SERVING');
    watch.end();
    const unknown = watchHealth(address, 'nobody');
    expect(await unknown.next()).toBe('SERVICE_UNKNOWN');
    unknown.end();
    expect(await listHealth(address)).toMatchObject({
      '': 'SERVING',
      'streamline.controller.v1.ControllerService': 'NOT_SERVING',
    });
  });

  it('lists its services to generic tools', async () => {
    const server = await serve(fake<ControllerPort>({}));
    const names = await listServices(`127.0.0.1:${server.port}`);
    expect(names).toContain('streamline.controller.v1.ControllerService');
    expect(names).toContain('streamline.admin.v1.AdminService');
  });

  it('names the address that is taken', async () => {
    const server = await serve(fake<ControllerPort>({}));
    const second = new InterBrokerServer({ host: '127.0.0.1', port: server.port, security: PLAIN_TEXT, services: [] });
    await new Promise<void>((resolve) => {
      second.listen((error) => {
        expect(String(error)).toContain(`127.0.0.1:${server.port}`);
        resolve();
      });
    });
  });
});
