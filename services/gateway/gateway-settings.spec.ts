import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { unlikeDefaults, type UnlikeDefaults } from '@streamline/testing/config/unlike-defaults';
import { fakeTopicId } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench, type BenchOptions } from '@streamline/testing/gateway/gateway-bench';
import { MemoryPartitions } from '@streamline/testing/gateway/memory-partitions';
import { ConnectionClosedError } from '@streamline/testing/kafka-client/kafka-client';
import type { ControllerPort, PartitionPort } from '@streamline/wire/contracts/ports';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { fetch } from '@streamline/wire/kafka/apis/01-fetch';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { findCoordinator } from '@streamline/wire/kafka/apis/10-find-coordinator';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { describeConfigs } from '@streamline/wire/kafka/apis/32-describe-configs';
import { until } from '@streamline/testing/time/until';
import { gatewayOf } from './gateway.module';
import type { GatewayConfig } from './context/gateway-config';
import type { GatewayRole } from './gateway-role';

const STATIC_BROKER_CONFIG = 4;
const KIB = 1024;
const MIB = 1024 * KIB;

/** Every setting that a gateway reads, each with another value than its default. */
const GIVEN = {
  data_dir: '/somewhere/else',
  roles: ['controller', 'storage', 'gateway'],
  listen_addr: '127.0.0.1:0',
  advertised_addr: 'kafka.example:9192',
  rack_id: 'eu-1a',
  max_connections: 3,
  max_connections_per_ip: 2,
  connections_max_idle_ms: 5_000,
  socket_request_max_bytes: MIB,
  max_in_flight_bytes_per_connection: 100 * KIB,
  max_in_flight_bytes: MIB,
  auto_create_topics_enable: false,
  fetch_max_bytes: 5_000,
  offsets_topic_num_partitions: 7,
  max_incremental_fetch_session_cache_slots: 1,
  // The gateway only tells clients these.
  group_initial_rebalance_delay_ms: 11,
  group_min_session_timeout_ms: 12,
  group_max_session_timeout_ms: 13,
  group_max_size: 14,
  log_retention_check_interval_ms: 15,
  offset_metadata_max_bytes: 16,
  offsets_retention_check_interval_ms: 17,
  offsets_retention_minutes: 18,
  producer_id_expiration_ms: 19_000,
};

let bench: GatewayBench<GatewayRole>;
let settings: UnlikeDefaults;

/** A gateway as the process makes it from its configuration, on doubles of all else. */
async function start(options: BenchOptions<GatewayConfig> = {}): Promise<void> {
  settings = unlikeDefaults(GIVEN);
  const topics = [{ name: 'orders', leaders: [1] }];
  bench = await GatewayBench.start(
    ({ metadata: replica, log, membership, ...rest }) =>
      gatewayOf({ ...rest, replica, config: settings.config, logOf: () => log }, membership),
    { cluster: { topics }, ...options },
  );
}

afterEach(() => bench.close());

/** A connection from an address of this machine to another one of it. */
async function connectFrom(localAddress: string, host = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ host, port: bench.gateway.port, localAddress });
  await once(socket, 'connect');
  return socket.on('error', () => undefined);
}

const refused = (): unknown[] => bench.lines.filter(({ event }) => event === 'connection-refused').map(({ reason }) => reason);

function produceOf(bytes: number) {
  return { acks: -1, timeoutMs: 1, topicData: [{ name: 'orders', partitionData: [{ index: 0, records: Buffer.alloc(bytes) }] }] };
}

function fetchOf(sessionEpoch = -1) {
  const partitions = [{ partition: 0, fetchOffset: 0n, partitionMaxBytes: MIB }];
  const topics = [{ topic: 'orders', topicId: fakeTopicId('orders'), partitions }];
  return { maxWaitMs: 0, minBytes: 1, maxBytes: MIB, sessionEpoch, topics };
}

/** Appends that the storage answers when a test says so. */
class HeldAppends {
  waiting: (() => void)[] = [];

  readonly append: PartitionPort['append'] = ({ request }) =>
    new Promise((resolve) => {
      const none = { errorCode: 0, errorMessage: '', baseOffset: 0, logAppendTimeMs: -1, logStartOffset: 0, recordErrors: [] };
      const answer = { correlationId: 0, partitions: request.partitions.map(() => none), creditBytes: 0 };
      this.waiting.push(() => resolve(answer));
    });

  answerAll(): void {
    for (const answer of this.waiting.splice(0)) answer();
  }
}

describe('the settings of a gateway', () => {
  it('are all given another value here than their default', async () => {
    await start();
    expect(settings.forgotten()).toEqual([]);
  });

  it('listen_addr is where clients connect, and nowhere else', async () => {
    await start();
    (await connectFrom('127.0.0.1')).destroy();
    await expect(connectFrom('127.0.0.1', '127.0.0.2')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('max_connections and max_connections_per_ip bound how many connect', async () => {
    await start();
    const sockets = [await connectFrom('127.0.0.1'), await connectFrom('127.0.0.1'), await connectFrom('127.0.0.1')];
    await until(() => refused().length === 1);
    sockets.push(await connectFrom('127.0.0.3'), await connectFrom('127.0.0.3'));
    await until(() => refused().length === 2);
    expect(refused()).toEqual(['max.connections.per.ip', 'max.connections']);
    expect(bench.gateway.gauges().connections).toBe(3);
    for (const socket of sockets) socket.destroy();
  });

  it('connections_max_idle_ms is how long a connection may be idle', async () => {
    await start();
    const client = await bench.client();
    for (let times = 0; times < 3; times += 1) {
      await client.request(apiVersions, 0, {});
      bench.clock.advance(3_000);
    }
    expect(client.closed).toBe(false);
    bench.clock.advance(7_000);
    await client.whenClosed();
    expect(bench.gateway.metrics.closes().get('idle')).toBe(1);
  });

  it('socket_request_max_bytes is the largest request', async () => {
    await start();
    const [fitting, larger] = [await bench.client(), await bench.client()];
    await fitting.request(produce, 9, produceOf(MIB - KIB));
    await expect(larger.request(produce, 9, produceOf(MIB))).rejects.toThrow(ConnectionClosedError);
    expect(bench.partitions.appends).toHaveLength(1);
  });

  it('max_in_flight_bytes_per_connection bounds what one connection has under way', async () => {
    const held = new HeldAppends();
    await start({ partitions: { append: held.append } });
    const client = await bench.client();
    const answers = [client.request(produce, 9, produceOf(60 * KIB)), client.request(produce, 9, produceOf(60 * KIB))];
    await until(() => bench.gateway.gauges().requestBytesInFlight > 120 * KIB);
    expect(held.waiting).toHaveLength(1);
    held.answerAll();
    await until(() => held.waiting.length === 1);
    held.answerAll();
    await Promise.all(answers);
  });

  it('max_in_flight_bytes bounds what all connections have under way, and the answers that clients do not take', async () => {
    const held = new HeldAppends();
    const rooms: (number | undefined)[] = [];
    const memory = new MemoryPartitions().port();
    const look: PartitionPort['fetch'] = (request, context) => {
      rooms.push(context?.room?.enter());
      context?.room?.leave();
      return memory.fetch(request);
    };
    await start({ partitions: { append: held.append, fetch: look } });
    const [first, second] = [await bench.client(), await bench.client()];
    const answers = [first.request(produce, 9, produceOf(900 * KIB))];
    await until(() => held.waiting.length === 1);
    answers.push(second.request(produce, 9, produceOf(900 * KIB)));
    await until(() => bench.gateway.metrics.pauses > 0 && bench.gateway.gauges().requestBytesInFlight >= MIB);
    expect(held.waiting).toHaveLength(1);
    held.answerAll();
    await until(() => held.waiting.length === 1);
    held.answerAll();
    await Promise.all(answers);
    await first.request(fetch, 12, fetchOf());
    expect(rooms).toEqual([MIB]);
  });

  it('auto_create_topics_enable tells whether a topic is created when it is asked for', async () => {
    let created = 0;
    await start({ controller: { createTopics: async () => ({ topics: [], metadataIndex: ++created }) } });
    const client = await bench.client();
    const answer = await client.request(metadata, 9, { topics: [{ name: 'new' }], allowAutoTopicCreation: true });
    expect(answer.topics[0]).toMatchObject({ name: 'new', errorCode: 3 });
    expect(created).toBe(0);
  });

  it('offsets_topic_num_partitions is how many partitions the offsets of groups get', async () => {
    const created: unknown[] = [];
    const createTopics: ControllerPort['createTopics'] = async ({ topics }) => {
      created.push(...topics.map(({ name, partitions }) => [name, partitions]));
      return { topics: [], metadataIndex: 1 };
    };
    await start({ controller: { createTopics } });
    await (await bench.client()).request(findCoordinator, 4, { keyType: 0, coordinatorKeys: ['g'] });
    expect(created).toEqual([['__consumer_offsets', 7]]);
  });

  it('fetch_max_bytes is the most that one fetch asks the storage for', async () => {
    await start();
    await (await bench.client()).request(fetch, 12, fetchOf());
    expect(bench.partitions.fetches[0]).toMatchObject({ maxBytes: 5_000 });
  });

  it('max_incremental_fetch_session_cache_slots is how many fetch sessions are remembered', async () => {
    await start();
    const client = await bench.client();
    const ids = [];
    for (let asked = 0; asked < 3; asked += 1) ids.push((await client.request(fetch, 12, fetchOf(0))).sessionId);
    expect(ids).toEqual([expect.any(Number), 0, 0]);
    expect(bench.gateway.gauges().fetchSessions).toBe(1);
  });

  it('are told under the names that Kafka has for them', async () => {
    await start();
    const resources = [{ resourceType: 4, resourceName: '1', configurationKeys: null }];
    const answer = await (await bench.client()).request(describeConfigs, 4, { resources });
    const ofThisNode = answer.results[0]?.configs.filter(({ configSource }) => configSource === STATIC_BROKER_CONFIG);
    expect(Object.fromEntries(ofThisNode?.map(({ name, value }) => [name, value]) ?? [])).toMatchObject({
      'advertised.listeners': 'PLAINTEXT://kafka.example:9192',
      'auto.create.topics.enable': 'false',
      'broker.rack': 'eu-1a',
      'connections.max.idle.ms': '5000',
      'fetch.max.bytes': '5000',
      'group.initial.rebalance.delay.ms': '11',
      'group.max.session.timeout.ms': '13',
      'group.max.size': '14',
      'group.min.session.timeout.ms': '12',
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'log.dirs': '/somewhere/else',
      'log.retention.check.interval.ms': '15',
      'max.connections': '3',
      'max.connections.per.ip': '2',
      'max.incremental.fetch.session.cache.slots': '1',
      'offset.metadata.max.bytes': '16',
      'offsets.retention.check.interval.ms': '17',
      'offsets.retention.minutes': '18',
      'offsets.topic.num.partitions': '7',
      'process.roles': 'controller,storage,gateway',
      'producer.id.expiration.ms': '19000',
      'queued.max.request.bytes': '1048576',
      'socket.request.max.bytes': '1048576',
    });
  });
});
