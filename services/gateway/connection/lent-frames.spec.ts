import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { PartitionImage } from '@streamline/core/metadata/image';
import { serveAppend } from '@streamline/platform/rpc/append-server';
import { openChannel } from '@streamline/platform/rpc/channel';
import { serveFetch } from '@streamline/platform/rpc/fetch-server';
import { InterBrokerServer } from '@streamline/platform/rpc/inter-broker-server';
import { remoteStorage } from '@streamline/platform/rpc/remote-storage';
import { PLAIN_TEXT } from '@streamline/platform/security/plain-text';
import type { Answer } from '@streamline/runtime/gateway/connection';
import { GatewayMetrics } from '@streamline/runtime/gateway/gateway-metrics';
import type { RecordMemory } from '@streamline/runtime/log/record-memory';
import { TailMemory } from '@streamline/runtime/log/tail-memory';
import { PartitionHost } from '@streamline/runtime/partitions/partition-host';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { openTestEngine } from '@streamline/testing/log/log-fixtures';
import { SILENT, TOPIC } from '@streamline/testing/partitions/host-bench';
import { NO_PEERS } from '@streamline/testing/partitions/no-peers';
import { SELF, SELF_EPOCH, TestMetadata } from '@streamline/testing/partitions/test-metadata';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { PartitionServiceDefinition } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import type { PartitionPort } from '@streamline/wire/contracts/ports';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { syncGroup } from '@streamline/wire/kafka/apis/14-sync-group';
import { decodeResponse, encodeRequest } from '@streamline/wire/kafka/frame';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { readBatchHeader } from '@streamline/wire/records/batch-header';
import { batchesIn } from '@streamline/wire/records/batch-iterator';
import { isBatchCrcValid } from '@streamline/wire/records/batch-patch';
import { CodecId, type CodecName } from '@streamline/wire/records/codecs/codec';
import { recordsOf } from '@streamline/wire/records/record-view';
import { COORDINATOR_FAILURES } from '../context/kafka-error';
import type { Gateway } from '../context/request-context';
import { createGatewayRole, type GatewayRole } from '../gateway-role';
import { handler } from '../handlers/handler';
import { KafkaRequestProcessor } from './request-processor';

const CODECS: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const ACKS = [-1, 1, 0];
/** Within one read of the socket, across several, and read straight to its place. */
const VALUE_BYTES = [20, 100_000, 700_000];
const MIB = 1024 * 1024;
const ROOMY_JOURNAL = { fileBytes: 8 * MIB, fileCount: 4, groupBytesMax: 2 * MIB, pendingBytesMax: 24 * MIB, sealDelayMs: 20 };

const cleanUps: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  vi.restoreAllMocks();
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** The partitions of this node over the real log engine. `metadata` can be made to lag behind the gateway's. */
async function openHost(): Promise<{ host: PartitionHost; metadata: TestMetadata; records: RecordMemory }> {
  const disk = new MemoryDisk({ random: new SeededRandom(1) });
  const clock = new VirtualClock();
  const { engine } = await openTestEngine({ disk, clock, random: new SeededRandom(2), journal: ROOMY_JOURNAL });
  const partitions = ACKS.map((): Partial<PartitionImage> => ({}));
  const metadata = new TestMetadata([{ id: TOPIC, name: 't', partitions }]);
  const host = new PartitionHost({
    ...{ nodeId: SELF, engine, metadata, clock, disk, directory: '/storage', log: SILENT, replication: NO_PEERS },
    ...{ fetchLimits: { maxBytes: 64 * MIB, maxWaiting: 10 }, producerIdExpirationMs: 86_400_000 },
    onFatal: (error) => {
      throw error;
    },
  });
  host.activate(SELF_EPOCH);
  cleanUps.push(() => host.close());
  if (engine.recordMemory === undefined) throw new Error('the engine lends no memory');
  return { host, metadata, records: engine.recordMemory };
}

/** The same partitions, reached over gRPC as a gateway in a process of its own reaches them. */
async function overGrpc(partitions: PartitionPort): Promise<PartitionPort> {
  @Module({})
  class Nothing {}
  const bulk = {
    append: (call: Parameters<typeof serveAppend>[1]) => serveAppend(partitions, call),
    fetch: (call: Parameters<typeof serveFetch>[1]) => serveFetch(partitions, call),
  };
  const strategy = new InterBrokerServer({
    host: '127.0.0.1',
    port: 0,
    security: PLAIN_TEXT,
    services: [{ definition: PartitionServiceDefinition, bulk }],
  });
  const app = await NestFactory.createMicroservice(Nothing, { strategy, logger: false });
  await app.listen();
  const remote = remoteStorage(openChannel(`127.0.0.1:${strategy.port}`, PLAIN_TEXT.channelCredentials));
  cleanUps.push(
    () => app.close(),
    () => remote.close(),
  );
  return remote.partitions;
}

async function startGateway(
  port: Pick<PartitionPort, 'append' | 'fetch'>,
  { metadataIndex = 1, records }: { metadataIndex?: number; records?: RecordMemory } = {},
): Promise<KafkaClient> {
  const bench: GatewayBench<GatewayRole> = await GatewayBench.start(createGatewayRole, {
    cluster: { topics: [{ name: 't', id: TOPIC, leaders: ACKS.map(() => 1) }], index: metadataIndex },
    ...(records && { records }),
    partitions: { append: (request) => port.append(request), fetch: (request, context) => port.fetch(request, context) },
  });
  cleanUps.push(() => bench.close());
  return bench.client();
}

/** Values that compress hardly, so that frames are as large as they say, and that differ from each other. */
function valueOf(seed: number, bytes: number): Buffer {
  const random = new SeededRandom(seed + 1);
  const value = Buffer.alloc(bytes);
  for (let at = 0; at + 4 <= bytes; at += 4) value.writeUInt32LE(Math.floor(random.next() * 0xffff_ffff), at);
  return value;
}

interface Sent {
  readonly codec: CodecName;
  readonly value: Buffer;
}

function everyBatch(): Sent[] {
  return VALUE_BYTES.flatMap((bytes, i) => CODECS.map((codec, k) => ({ codec, value: valueOf(10 * i + k, bytes) })));
}

/** Pipelines the batches to the partition that stands for `acks`; resolves with the error codes that were answered. */
async function sendAll(client: KafkaClient, acks: number, batches: readonly Sent[]): Promise<number[]> {
  const answers: Promise<number>[] = [];
  for (const { codec, value } of batches) {
    const records = buildBatch({ records: [{ value }], timestamp: 1_700_000_000_000, codec });
    const partitionData = [{ index: ACKS.indexOf(acks), records }];
    const request = { transactionalId: null, acks, timeoutMs: 30_000, topicData: [{ name: 't', partitionData }] };
    if (acks === 0) client.send(produce, 9, request);
    else answers.push(client.request(produce, 9, request).then((answer) => codeOf(answer.responses)));
  }
  return Promise.all(answers);
}

function codeOf(responses: readonly { readonly partitionResponses: readonly { readonly errorCode: number }[] }[]): number {
  return responses[0]?.partitionResponses[0]?.errorCode ?? Number.NaN;
}

/** What the partition holds, fetched by a client. */
async function readAll(client: KafkaClient, partition: number, count: number): Promise<Sent[]> {
  const found: Sent[] = [];
  while (found.length < count) {
    const partitions = [{ partition, fetchOffset: BigInt(found.length), partitionMaxBytes: 16 * MIB }];
    const request = { maxWaitMs: 10_000, minBytes: 1, maxBytes: 16 * MIB, topics: [{ topic: 't', partitions }] };
    const answer = await client.request(fetch, 12, request);
    const { records, errorCode } = answer.responses[0]?.partitions[0] ?? {};
    if (errorCode !== 0 || records === null || records === undefined) throw new Error(`a fetch failed: ${String(errorCode)}`);
    for (const batch of batchesIn(records)) {
      const header = readBatchHeader(batch);
      const codec = CODECS.find((name) => CodecId[name] === (header.attributes & 7)) ?? 'none';
      if (!isBatchCrcValid(batch)) throw new Error(`the batch at ${header.baseOffset} has a wrong CRC`);
      for (const record of recordsOf(batch, header, 16 * MIB)) found.push({ codec, value: record.value ?? Buffer.alloc(0) });
    }
  }
  return found;
}

function hasAll(found: readonly Sent[], sent: readonly Sent[]): boolean {
  return sent.every(({ codec, value }, i) => found[i]?.codec === codec && found[i].value.equals(value));
}

describe('the memory of a produce request is free again when its processor has returned', () => {
  const topologies = [
    { name: 'in one process', connect: (host: PartitionPort) => Promise.resolve(host) },
    { name: 'over gRPC', connect: overGrpc },
  ];
  const cases = topologies.flatMap((topology) => ACKS.map((acks) => ({ ...topology, acks })));

  it.each(cases)('$name, with acks $acks, whatever the codec and however the frame came', async ({ connect, acks }) => {
    const { host } = await openHost();
    const client = await startGateway(await connect(host));
    const batches = everyBatch();
    const codes = await sendAll(client, acks, batches);
    expect(codes.every((code) => code === 0)).toBe(true);
    expect(hasAll(await readAll(client, ACKS.indexOf(acks), batches.length), batches)).toBe(true);
  });

  it.each(topologies)('$name, where the storage has to wait for metadata before it appends', async ({ connect }) => {
    const { host, metadata } = await openHost();
    const client = await startGateway(await connect(host), { metadataIndex: 2 });
    const batches = everyBatch();
    const codes = sendAll(client, -1, batches);
    while (metadata.waiting === 0) await new Promise((resolve) => setImmediate(resolve));
    metadata.put({ id: TOPIC, name: 't', partitions: ACKS.map(() => ({})) });
    expect((await codes).every((code) => code === 0)).toBe(true);
    expect(hasAll(await readAll(client, 0, batches.length), batches)).toBe(true);
  });

  it.each(cases)('$name, with acks $acks, where frames are read to record memory', async ({ connect, acks }) => {
    const { host, records } = await openHost();
    const lend = vi.spyOn(TailMemory.prototype, 'lend');
    const client = await startGateway(await connect(host), { records });
    const batches = [...everyBatch(), ...everyBatch()];
    const codes = await sendAll(client, acks, batches);
    expect(codes.every((code) => code === 0)).toBe(true);
    expect(hasAll(await readAll(client, ACKS.indexOf(acks), batches.length), batches)).toBe(true);
    expect(lend.mock.results.some(({ value }) => value !== undefined)).toBe(true);
  });

  it('and a storage that keeps what it was lent is found out', async () => {
    const { host } = await openHost();
    const planted: Pick<PartitionPort, 'append' | 'fetch'> = {
      append: async (request) => {
        await Promise.resolve();
        return host.append(request);
      },
      fetch: (request, context) => host.fetch(request, context),
    };
    const codes = await sendAll(await startGateway(planted), -1, everyBatch());
    expect(codes.some((code) => code !== 0)).toBe(true);
  });
});

describe('the memory of any other request is free as well', () => {
  const ASSIGNMENT = 'partitions of m';

  /** What a handler that waits before it looks at its request finds there. */
  async function seenLater(takesViews?: true): Promise<string> {
    const late = handler({
      api: syncGroup,
      takesViews,
      failures: COORDINATOR_FAILURES,
      async handle(request) {
        await Promise.resolve();
        return { throttleTimeMs: 0, errorCode: 0, assignment: request.assignments[0]?.assignment ?? Buffer.alloc(0) };
      },
      failure: (_request, error) => ({ throttleTimeMs: 0, errorCode: error.code, assignment: Buffer.alloc(0) }),
    });
    const processor = new KafkaRequestProcessor([late], { metrics: new GatewayMetrics() } as Gateway);
    const assignments = [{ memberId: 'm', assignment: Buffer.from(ASSIGNMENT) }];
    const request = encodeRequest(syncGroup, 3, 7, 'c', { groupId: 'g', generationId: 1, memberId: 'm', assignments });
    const frame = Buffer.concat(request).subarray(4);
    const { signal } = new AbortController();
    const answered = new Promise<Answer | undefined>((answer, fail) => {
      processor.process(frame, { id: 1, remoteAddress: '', remotePort: 0, signal }, { answer, fail });
    });
    frame.fill(0xa5);
    const bytes = Buffer.concat([(await answered) ?? []].flat());
    return decodeResponse(syncGroup, 3, bytes.subarray(4)).body.assignment.toString('latin1');
  }

  it('since the byte strings of a request are copies', async () => {
    expect(await seenLater()).toBe(ASSIGNMENT);
  });

  it('and a handler that takes views and keeps them is found out', async () => {
    expect(await seenLater(true)).toBe('\xa5'.repeat(ASSIGNMENT.length));
  });
});
