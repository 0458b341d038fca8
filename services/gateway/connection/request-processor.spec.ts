import { afterEach, describe, expect, it } from 'vitest';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { apis } from '@streamline/wire/kafka/api-table';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { encodeRequest } from '@streamline/wire/kafka/frame';
import { createGatewayRole, type GatewayRole } from '../gateway-role';
import { handlers } from '../handlers/registry';

let bench: GatewayBench<GatewayRole>;

async function start(): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: { topics: [{ name: 'orders', leaders: [1] }] } });
  return bench.client();
}

afterEach(() => bench.close());

/** A frame with a header of the key and version, and a body that no API has. */
function request(key: number, version: number, body = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeInt32BE(10 + body.length, 0);
  bytes.writeInt16BE(key, 4);
  bytes.writeInt16BE(version, 6);
  bytes.writeInt32BE(1, 8);
  bytes.writeInt16BE(-1, 12);
  return Buffer.concat([bytes, body]);
}

async function isClosedFor(client: KafkaClient, bytes: Buffer): Promise<string> {
  const before = bench.lines.length;
  client.sendRaw(bytes);
  await client.whenClosed();
  expect(client.unexpected).toEqual([]);
  expect(bench.lines).toHaveLength(before + 1);
  return String(bench.lines[before]?.['reason']);
}

describe('a request whose version is not supported closes the connection', () => {
  const outside = handlers
    .filter(({ apiKey }) => apiKey !== 18)
    .flatMap(({ apiKey, name, versions }) => [
      { apiKey, name, version: versions.max + 1 },
      ...(versions.min > 0 ? [{ apiKey, name, version: versions.min - 1 }] : []),
      { apiKey, name, version: -1 },
    ]);

  it.each(outside)('$name v$version', async ({ apiKey, name, version }) => {
    const client = await start();
    expect(await isClosedFor(client, request(apiKey, version))).toContain(`${name} version ${version} is not supported`);
  });

  it.each([0, 1, 2])('Produce %i, although it is advertised', async (version) => {
    expect(await isClosedFor(await start(), request(0, version))).toContain('only 3 to 13');
  });
});

describe('an API without a handler closes the connection', () => {
  const served = new Set(handlers.map(({ apiKey }) => apiKey));
  const others = apis.filter(({ key }) => !served.has(key)).map(({ key, name }) => ({ key, name }));

  it('as does a key that no API has', async () => {
    const client = await start();
    const reasons = [];
    for (const key of [...others.map((api) => api.key), 7, 95, 1000, 32_767, -1]) {
      reasons.push(await isClosedFor(await bench.client(), request(key, 0)));
      bench.clock.advance(1000);
    }
    expect(reasons.every((reason) => reason.includes('is not served'))).toBe(true);
    expect(client.closed).toBe(false);
  });
});

describe('what is no request', () => {
  it('a frame too short for a header closes the connection', async () => {
    expect(await isClosedFor(await start(), Buffer.from([0, 0, 0, 3, 0, 3, 0]))).toContain('too short');
  });

  it('a frame of no bytes closes the connection', async () => {
    expect(await isClosedFor(await start(), Buffer.from([0, 0, 0, 0]))).toContain('too short');
  });

  it('a body that is cut closes the connection with the field in the log', async () => {
    const client = await start();
    const whole = Buffer.concat(encodeRequest(metadata, 9, 1, 'c', { topics: [{ name: 'orders' }] }));
    const cut = whole.subarray(0, whole.length - 8);
    cut.writeInt32BE(cut.length - 4);
    expect(await isClosedFor(client, cut)).toContain('MetadataRequest v9');
  });

  it('bytes after the body are left alone, as Kafka does: librdkafka sends some', async () => {
    const client = await start();
    const whole = Buffer.concat([...encodeRequest(metadata, 9, 1, 'c', { topics: [] }), Buffer.alloc(3)]);
    whole.writeInt32BE(whole.length - 4);
    expect((await client.exchange(whole, 1)).readInt32BE(0)).toBe(1);
  });

  it('request header v2 still has a non-compact client id, and strings that are no UTF-8 do not matter', async () => {
    const client = await start();
    const flexible = Buffer.concat([
      Buffer.from([0, 0, 0, 0, 0, 3, 0, 9, 0, 0, 0, 9, 0, 2, 0xff, 0xfe, 0]),
      Buffer.from([1, 1, 0, 0, 0]),
    ]);
    flexible.writeInt32BE(flexible.length - 4);
    const answer = await client.exchange(flexible, 9);
    expect(answer.readInt32BE(0)).toBe(9);
  });

  it('others do not notice', async () => {
    const client = await start();
    const bad = await bench.client();
    await isClosedFor(bad, request(3, 99));
    expect((await client.request(metadata, 9, { topics: null })).topics).toHaveLength(1);
  });
});
