import { afterEach, describe, expect, it } from 'vitest';
import { CLUSTER_ID } from '@streamline/testing/gateway/fake-metadata';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import type { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { apisByKey } from '@streamline/wire/kafka/api-table';
import { decodeResponse } from '@streamline/wire/kafka/frame';
import { createGatewayRole, type GatewayRole } from '../gateway-role';
import { handlers } from './registry';

const SOFTWARE = { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' };

let bench: GatewayBench<GatewayRole>;

async function start(): Promise<KafkaClient> {
  bench = await GatewayBench.start(createGatewayRole, { cluster: { features: { 'metadata.version': 2 }, index: 77 } });
  return bench.client();
}

afterEach(() => bench.close());

/** A request header as it stands on the wire: key, version, correlation id 7, client id "c". */
function header(key: number, version: number): Buffer {
  const bytes = Buffer.alloc(11);
  bytes.writeInt16BE(key, 0);
  bytes.writeInt16BE(version, 2);
  bytes.writeInt32BE(7, 4);
  bytes.writeInt16BE(1, 8);
  bytes.write('c', 10);
  return bytes;
}

function framed(...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const size = Buffer.alloc(4);
  size.writeInt32BE(body.length);
  return Buffer.concat([size, body]);
}

describe('ApiVersions', () => {
  it('names the APIs that have a handler, no others, in versions that exist and are stable', async () => {
    const client = await start();
    const answer = await client.request(apiVersions, 4, SOFTWARE);
    expect(answer.apiKeys.map(({ apiKey }) => apiKey)).toEqual(handlers.map(({ apiKey }) => apiKey));
    for (const { apiKey, minVersion, maxVersion } of answer.apiKeys) {
      const stable = apisByKey.get(apiKey)?.stableVersions ?? { min: 0, max: -1 };
      expect([apiKey, minVersion, maxVersion]).toEqual([apiKey, apiKey === 0 ? 0 : stable.min, stable.max]);
    }
  });

  it('advertises Produce from 0, not InitProducerId 6 (unstable), nothing of transactions', async () => {
    const client = await start();
    const answer = await client.request(apiVersions, 3, SOFTWARE);
    const byKey = new Map(answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]));
    expect(byKey.get(0)).toEqual([0, 13]);
    expect(byKey.get(22)).toEqual([0, 5]);
    for (const key of [24, 25, 26, 27, 28, 65, 66]) expect(byKey.has(key)).toBe(false);
  });

  it('spans what old and new clients need', async () => {
    const client = await start();
    const answer = await client.request(apiVersions, 0, {});
    const needed = {
      0: [3, 11],
      1: [4, 17],
      2: [1, 9],
      3: [0, 13],
      8: [2, 9],
      9: [1, 9],
      10: [0, 6],
      11: [0, 9],
      14: [0, 5],
      19: [2, 7],
      20: [1, 6],
      22: [0, 5],
    };
    for (const [key, [min, max]] of Object.entries(needed)) {
      const range = answer.apiKeys.find(({ apiKey }) => apiKey === Number(key));
      expect(range?.minVersion).toBeLessThanOrEqual(min ?? 0);
      expect(range?.maxVersion).toBeGreaterThanOrEqual(max ?? 0);
    }
  });

  it('too new: v0 body, 35, and only its own range in it', async () => {
    const client = await start();
    const frame = await client.exchange(framed(header(18, 99), Buffer.from([0, 5, 4, 3, 2])), 7);
    const { body } = decodeResponse(apiVersions, 0, frame);
    expect(body).toMatchObject({ errorCode: 35, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 5 }] });
    expect((await client.request(apiVersions, 4, SOFTWARE)).errorCode).toBe(0);
  });

  it("tells supported features, and those that the metadata finalizes with its epoch, in Kafka's levels, from v3 on", async () => {
    const client = await start();
    const answer = await client.request(apiVersions, 4, SOFTWARE);
    expect(answer.finalizedFeatures).toEqual([{ name: 'metadata.version', minVersionLevel: 33, maxVersionLevel: 33 }]);
    expect(answer.finalizedFeaturesEpoch).toBe(77n);
    expect(answer.supportedFeatures).toEqual([{ name: 'metadata.version', minVersion: 32, maxVersion: 33 }]);
  });

  it('tells no finalized feature while the metadata has none', async () => {
    bench = await GatewayBench.start(createGatewayRole, { cluster: { features: {}, index: 0 } });
    const answer = await (await bench.client()).request(apiVersions, 4, SOFTWARE);
    expect([answer.finalizedFeatures, answer.supportedFeatures.length]).toEqual([[], 1]);
  });

  it('refuses software names that would garble a log with 42', async () => {
    const client = await start();
    const answer = await client.request(apiVersions, 3, { ...SOFTWARE, clientSoftwareName: 'a b\n' });
    expect([answer.errorCode, answer.apiKeys.length]).toEqual([42, 0]);
  });

  it('sends clients that mean another cluster or node back to their bootstrap servers (129)', async () => {
    const client = await start();
    const code = async (fields: object) => (await client.request(apiVersions, 5, { ...SOFTWARE, ...fields })).errorCode;
    expect(await code({})).toBe(0);
    expect(await code({ clusterId: CLUSTER_ID, nodeId: 1 })).toBe(0);
    expect(await code({ clusterId: 'another', nodeId: 1 })).toBe(129);
    expect(await code({ clusterId: CLUSTER_ID, nodeId: 2 })).toBe(129);
  });
});
