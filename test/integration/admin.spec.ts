import { checkHealth, listServices } from '@streamline/testing/grpc/generic-client';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';
import { callReflected } from '../kit/reflected-client';

const ADMIN = 'streamline.admin.v1.AdminService';

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.connect(inject('bootstrap'));
});
afterAll(() => broker.close());

async function get(path: string): Promise<{ status: number; type: string; body: unknown }> {
  const response = await fetch(inject('http') + path);
  const type = response.headers.get('content-type') ?? '';
  return { status: response.status, type, body: type.includes('json') ? await response.json() : await response.text() };
}

/** Prometheus samples by their name with labels. */
async function metrics(): Promise<Map<string, number>> {
  const { status, body } = await get('/metrics');
  expect(status).toBe(200);
  const lines = String(body).split('\n');
  const samples = lines.flatMap((line) => /^(streamline_\S*?(?:\{.*\})?) (\S+)$/.exec(line) ?? []);
  return new Map(Array.from({ length: samples.length / 3 }, (_, at) => [samples[3 * at + 1] ?? '', Number(samples[3 * at + 2])]));
}

function sumOf(samples: ReadonlyMap<string, number>, pattern: RegExp): number {
  return [...samples].reduce((sum, [name, value]) => (pattern.test(name) ? sum + value : sum), 0);
}

describe('the HTTP API of one node, with the fields of the guide', () => {
  it('GET /api/v1/cluster/status: "Returns the Raft state, leader information, log indices, and overall health."', async () => {
    const { status, body } = await get('/api/v1/cluster/status');
    expect(status).toBe(200);
    expect(Object.keys(body as object)).toEqual([
      ...['node_state', 'node_id', 'leader_id', 'committed_log_index', 'applied_log_index', 'current_term', 'voters'],
      ...['learners', 'healthy', 'health_reason'],
    ]);
    expect(body).toMatchObject({
      node_state: 'Leader',
      node_id: 1,
      leader_id: 1,
      voters: [1],
      learners: [],
      healthy: true,
      health_reason: 'Node is a healthy voting member with an elected leader',
    });
  });

  it('its log indices grow with the metadata, and apply what is committed', async () => {
    const indexOf = async () => (await get('/api/v1/cluster/status')).body as Record<string, number>;
    const before = await indexOf();
    await broker.createTopic(unique('indexed'));
    const after = await indexOf();
    expect(after['committed_log_index']).toBeGreaterThan(before['committed_log_index'] ?? Number.NaN);
    await eventually('all is applied', async () => {
      const { committed_log_index: committed, applied_log_index: applied } = await indexOf();
      return committed !== undefined && committed === applied;
    });
  });

  it('GET /api/v1/cluster/members', async () => {
    const { status, body } = await get('/api/v1/cluster/members');
    expect(status).toBe(200);
    expect(body).toEqual({
      members: [
        {
          node_id: 1,
          raft_addr: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as unknown,
          role: 'voter',
          is_leader: true,
          broker_state: 'Running',
          advertised_addr: inject('bootstrap'),
        },
      ],
      total: 1,
      leader_id: 1,
    });
  });

  it('GET /health/live and /health/ready, which looked at storage, log and listener; /health tells what', async () => {
    expect(await get('/health/live')).toMatchObject({ status: 200, body: { live: true } });
    expect(await get('/health/ready')).toMatchObject({ status: 200, body: { ready: true } });
    const { body } = (await get('/health')) as { body: { checks: { role: string; name: string; ok: boolean }[] } };
    const roles = new Set(body.checks.map(({ role }) => role));
    expect([...roles].sort()).toEqual(['admin', 'controller', 'gateway', 'storage']);
    const names = body.checks.map(({ role, name }) => `${role} ${name}`);
    expect(names).toEqual(expect.arrayContaining(['storage log-replayed', 'gateway listener']));
    expect(body.checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it('GET /info names the cluster as Kafka clients see it', async () => {
    const { clusterId } = await broker.request(metadata, 9, { topics: [], allowAutoTopicCreation: false });
    expect((await get('/info')).body).toMatchObject({ name: 'streamline', node_id: 1, cluster_id: clusterId });
  });

  it('GET /docs is a page and /docs/openapi.json the document of what is served', async () => {
    expect(await get('/docs')).toMatchObject({ status: 200, type: expect.stringContaining('text/html') as unknown });
    const { body } = (await get('/docs/openapi.json')) as { body: { openapi: string; paths: Record<string, object> } };
    expect(body.openapi).toMatch(/^3\./);
    const readable = Object.entries(body.paths).filter(([, methods]) => 'get' in methods);
    for (const [path] of readable) expect((await get(path)).status, path).toBe(200);
  });

  it('answers 404 with a reason where there is nothing', async () => {
    expect(await get('/nowhere')).toMatchObject({ status: 404, body: { error: expect.any(String) as unknown } });
  });
});

describe('GET /metrics', () => {
  it('counts requests, bytes, log sizes, group lag and journal commits, and tells of the event loop', async () => {
    const topic = unique('measured');
    const groupId = unique('lagging');
    await broker.createTopic(topic);
    await broker.whenCoordinated(groupId);
    const before = await metrics();
    for (let index = 0; index < 10; index += 1) await broker.produce(topic, 0, batchOf(['x'.repeat(1_000)]));
    await broker.request(offsetCommit, 8, {
      groupId,
      memberId: '',
      topics: [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset: 4n, committedMetadata: '' }] }],
    });
    const after = await metrics();
    const grown = (pattern: RegExp) => sumOf(after, pattern) - sumOf(before, pattern);
    expect(grown(/^streamline_kafka_requests_total\{.*"Produce"/)).toBe(10);
    expect(grown(/^streamline_kafka_request_duration_seconds_count\{.*"Produce"/)).toBe(10);
    expect(grown(/^streamline_kafka_received_bytes_total/)).toBeGreaterThan(10_000);
    expect(grown(/^streamline_journal_commit_duration_seconds_count/)).toBeGreaterThanOrEqual(10);
    expect(sumOf(after, new RegExp(`^streamline_log_size_bytes\\{.*"${topic}"`))).toBeGreaterThan(10_000);
    expect(sumOf(after, new RegExp(`^streamline_log_end_offset\\{.*"${topic}"`))).toBe(10);
    expect(sumOf(after, new RegExp(`^streamline_group_lag\\{.*"${groupId}"`))).toBe(6);
    expect(sumOf(after, /^streamline_event_loop_delay_seconds_count/)).toBeGreaterThan(0);
    expect(sumOf(after, /^streamline_kafka_connections(\{|$)/)).toBeGreaterThanOrEqual(1);
  });
});

describe('the same through gRPC', () => {
  it('a generic client lists and calls streamline.admin.v1', async () => {
    expect(await listServices(inject('adminGrpc'))).toContain(ADMIN);
    expect(await callReflected(inject('adminGrpc'), ADMIN, 'GetClusterStatus')).toMatchObject({
      node_state: 'Leader',
      node_id: 1,
      leader_id: 1,
      voters: [1],
      healthy: true,
    });
    expect(await callReflected(inject('adminGrpc'), ADMIN, 'ListMembers')).toMatchObject({
      members: [{ node_id: 1, role: 'voter', is_leader: true, broker_state: 'Running', advertised_addr: inject('bootstrap') }],
      total: 1,
    });
    expect(await callReflected(inject('adminGrpc'), ADMIN, 'GetHealth')).toMatchObject({ live: true, ready: true });
    expect(await callReflected(inject('adminGrpc'), ADMIN, 'GetInfo')).toMatchObject({ name: 'streamline', node_id: 1 });
  });

  it('every inter-broker listener answers the standard health service', async () => {
    const health = await Promise.all(inject('interBroker').map((address) => checkHealth(address, '')));
    expect(health).toEqual(inject('topology') === 'split' ? Array<string>(4).fill('SERVING') : ['SERVING']);
  });
});
