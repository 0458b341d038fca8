import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveConfig } from '@streamline/platform/config/resolve-config';
import type { NodeConfig, SettingName } from '@streamline/platform/config/schema';
import { NodeHost } from '@streamline/platform/host/node-host';
import { TOPIC, topicT } from '@streamline/testing/partitions/host-bench';
import { ScriptedController, refusal } from '@streamline/testing/partitions/scripted-controller';
import { TestMetadata } from '@streamline/testing/partitions/test-metadata';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { storageService } from './storage.module';
import { StorageService } from './storage.service';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'streamline-storage-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** A storage service on a real directory, with a controller that a test scripts. */
async function made(controller = new ScriptedController()) {
  const fatal: unknown[] = [];
  const host = await NodeHost.open(configOf(), pino({ level: 'silent' }), (error) => fatal.push(error));
  host.local.offerController(controller.asPort(), new TestMetadata([topicT()]));
  await host.follower.start();
  const service = new StorageService(host);
  return { host, service, controller, fatal };
}

function configOf(): NodeConfig {
  const given: [SettingName, unknown][] = [
    ['data_dir', directory],
    ['roles', ['controller', 'storage']],
    ['journal_file_bytes', 32 << 20],
    ['journal_files', 3],
  ];
  const layer = new Map(given.map(([name, raw]) => [name, { raw, origin: { kind: 'default' as const } }]));
  const { config, problems } = resolveConfig([layer]);
  expect(problems).toEqual([]);
  return config;
}

const signal = new AbortController().signal;

async function stopped({ host, service }: Awaited<ReturnType<typeof made>>): Promise<void> {
  await service.stop();
  await host.follower.stop(signal);
  await host.base.stop(signal);
}

function produce(service: StorageService) {
  const records = buildBatch({ records: [{ value: Buffer.from('kept') }], timestamp: Date.now() });
  const partitions = [{ topicId: TOPIC, partition: 0, recordBytes: records.length }];
  const request = { correlationId: 0, requiredAcks: -1, timeoutMs: 5000, metadataIndex: 0, partitions, creditBytes: 0 };
  return service.port.partitions.append({ request, records: [records] });
}

async function fetched(service: StorageService): Promise<number | undefined> {
  const wanted = {
    topicId: TOPIC,
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset: 0,
    lastFetchedEpoch: -1,
    maxBytes: 1 << 20,
  };
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, readCommitted: false };
  const request = { correlationId: 0, ...limits, metadataIndex: 0, creditBytes: 0, cancel: false, partitions: [wanted] };
  return (await service.port.partitions.fetch(request)).response.partitions[0]?.recordBytes;
}

describe('StorageService', () => {
  it('opens its logs, registers, serves, and says so; has everything after a clean stop', async () => {
    const first = await made();
    expect(await first.service.status()).toMatchObject({ role: 'storage', ready: false });
    expect(() => first.service.port).toThrow(/has not started/);
    await first.service.start();
    expect(await first.service.status()).toMatchObject({ role: 'storage', ready: true });
    expect((await produce(first.service)).partitions[0]).toMatchObject({ errorCode: 0, baseOffset: 0 });
    await stopped(first);
    expect(() => first.service.port).toThrow(/stopped/);

    const second = await made();
    await second.service.start();
    expect(second.controller.registrations[0]).toMatchObject({
      brokerId: second.host.nodeId,
      previousBrokerEpoch: 41,
      sameBoot: true,
    });
    expect(await fetched(second.service)).toBeGreaterThan(60);
    await stopped(second);
    expect([...first.fatal, ...second.fatal]).toEqual([]);
  });

  it('ends the process when the controller refuses this broker for good', async () => {
    const controller = new ScriptedController();
    controller.nextRegistrations.push(refusal(104, 'this directory belongs to another cluster'));
    const bench = await made(controller);
    void bench.service.start();
    while (bench.fatal.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(String(bench.fatal[0])).toContain('this directory belongs to another cluster');
    await stopped(bench);
  });

  it('serves partitions and groups, the bulk methods over streams of their own', () => {
    const service = storageService.served(() => new StorageService({ metrics: { add: () => undefined } } as never));
    expect(service.map(({ definition }) => definition.fullName)).toEqual([
      'streamline.storage.v1.PartitionService',
      'streamline.storage.v1.GroupService',
    ]);
    expect(Object.keys(service[0]?.bulk ?? {})).toEqual(['append', 'fetch']);
  });
});
