import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveConfig } from '@streamline/platform/config/resolve-config';
import type { NodeConfig, SettingName } from '@streamline/platform/config/schema';
import { NodeHost } from '@streamline/platform/host/node-host';
import { OFFSETS_TOPIC } from '@streamline/runtime/groups/offsets-topic';
import { joinRequest, turnOfTheLoop } from '@streamline/testing/groups/group-host-bench';
import { TOPIC, topicT } from '@streamline/testing/partitions/host-bench';
import { ScriptedController, refusal } from '@streamline/testing/partitions/scripted-controller';
import { TestMetadata, topicId } from '@streamline/testing/partitions/test-metadata';
import type { NewBatch } from '@streamline/wire/records/batch-builder';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { storageService } from './storage.module';
import { StorageService } from './storage.service';

const OFFSETS = { id: topicId('O'), name: OFFSETS_TOPIC, partitions: [{}], configs: { 'cleanup.policy': 'compact' } };

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'streamline-storage-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** A storage service on a real directory, with a controller that a test scripts. */
async function made(controller = new ScriptedController(), ...settings: [SettingName, unknown][]) {
  const fatal: unknown[] = [];
  const host = await NodeHost.open(configOf(settings), pino({ level: 'silent' }), (error) => fatal.push(error));
  host.local.offerController(controller.asPort(), new TestMetadata([topicT(), OFFSETS]));
  await host.follower.start();
  const service = new StorageService(host);
  return { host, service, controller, fatal };
}

/** A service with these settings that serves. */
async function serving(...settings: [SettingName, unknown][]) {
  const bench = await made(new ScriptedController(), ...settings);
  await bench.service.start();
  return bench;
}

function configOf(settings: readonly [SettingName, unknown][]): NodeConfig {
  const given: [SettingName, unknown][] = [
    ['data_dir', directory],
    ['roles', ['controller', 'storage']],
    ['journal_file_bytes', 32 << 20],
    ['journal_files', 3],
    ...settings,
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

function produce(service: StorageService, batch: Partial<NewBatch> = {}) {
  const records = buildBatch({ records: [{ value: Buffer.from('kept') }], timestamp: Date.now(), ...batch });
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

describe('the settings of a storage service', () => {
  it('keeps its journal in journal_dir, and does not start without it', async () => {
    const journalDir = join(directory, 'other-disk');
    const first = await serving(['journal_dir', journalDir]);
    expect((await produce(first.service)).partitions[0]).toMatchObject({ errorCode: 0, baseOffset: 0 });
    await stopped(first);
    expect(existsSync(join(journalDir, 'storage/000.journal'))).toBe(true);
    expect(existsSync(join(directory, 'storage/journal'))).toBe(false);

    const second = await serving(['journal_dir', journalDir]);
    expect((await produce(second.service)).partitions[0]).toMatchObject({ errorCode: 0, baseOffset: 1 });
    await stopped(second);

    await rm(journalDir, { recursive: true });
    const third = await made(new ScriptedController(), ['journal_dir', journalDir]);
    await expect(third.service.start()).rejects.toMatchObject({ exitCode: 7, message: expect.stringContaining(journalDir) });
    await stopped(third);
    expect(existsSync(journalDir)).toBe(false);
  });

  it('does not begin a lost journal of the data directory anew', async () => {
    const first = await serving();
    await produce(first.service);
    await stopped(first);
    await rm(join(directory, 'storage/journal'), { recursive: true });
    const second = await made();
    await expect(second.service.start()).rejects.toMatchObject({ kind: 'damaged' });
    await stopped(second);
  });

  it('refuses appends while less than disk_free_bytes_min stays free, and still reads', async () => {
    const first = await serving();
    await produce(first.service);
    await stopped(first);
    const second = await serving(['disk_free_bytes_min', Number.MAX_SAFE_INTEGER]);
    expect((await produce(second.service)).partitions[0]).toMatchObject({ errorCode: 56 });
    expect(await fetched(second.service)).toBeGreaterThan(60);
    await stopped(second);
  });

  it('forgets an idempotent producer after producer_id_expiration_ms', async () => {
    const bench = await serving(['producer_id_expiration_ms', 60_000], ['log_retention_check_interval_ms', 10]);
    const idempotent = { producerEpoch: 0, baseSequence: 0 };
    await produce(bench.service, { ...idempotent, producerId: 1, timestamp: Date.now() - 60_000 });
    await produce(bench.service, { ...idempotent, producerId: 2, timestamp: Date.now() });
    const known = async () => {
      const request = { partitions: [{ topicId: TOPIC, partition: 0 }], metadataIndex: 0 };
      const { partitions } = await bench.service.port.partitions.describeProducers(request);
      return partitions[0]?.producers.map(({ producerId }) => producerId);
    };
    while ((await known())?.length !== 1) await new Promise((resolve) => setImmediate(resolve));
    expect(await known()).toEqual([2]);
    await stopped(bench);
  });

  it('takes no more members of a group than group_max_size', async () => {
    const bench = await serving(['group_max_size', 1]);
    const { groups } = bench.service.port;
    const join = () => groups.joinGroup(joinRequest('g', 'c', { rebalanceTimeoutMs: 100 }));
    const loading = async () =>
      [14, 15, 16].includes((await groups.describeGroups({ groupIds: ['g'] })).groups[0]?.errorCode ?? 14);
    while (await loading()) await turnOfTheLoop();
    const first = join();
    expect(await join()).toMatchObject({ errorCode: 81 });
    await stopped(bench);
    await first;
  });
});
