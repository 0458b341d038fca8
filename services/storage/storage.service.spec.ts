import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NodeConfig, SettingName } from '@streamline/platform/config/schema';
import { NodeHost } from '@streamline/platform/host/node-host';
import { StopDeadline } from '@streamline/platform/lifecycle/stop-deadline';
import { NodeFile } from '@streamline/runtime/disk/node-file';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import { type GivenSettings, unlikeDefaults } from '@streamline/testing/config/unlike-defaults';
import { joinRequest, turnOfTheLoop, watch } from '@streamline/testing/groups/group-host-bench';
import { TOPIC, topicT } from '@streamline/testing/partitions/host-bench';
import { ScriptedController, refusal } from '@streamline/testing/partitions/scripted-controller';
import { TestMetadata, topicId } from '@streamline/testing/partitions/test-metadata';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { NewBatch } from '@streamline/wire/records/batch-builder';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import { storageService } from './storage.module';
import { StorageService, replicationLimitsOf } from './storage.service';

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
  return hosted(configOf(settings), controller);
}

async function hosted(config: NodeConfig, controller = new ScriptedController()) {
  const fatal: unknown[] = [];
  const host = await NodeHost.open(config, pino({ level: 'silent' }), (error) => fatal.push(error));
  host.local.offerController(controller.asPort(), undefined);
  host.local.offerReplica(new TestMetadata([topicT(), OFFSETS]));
  await host.follower.start();
  const service = new StorageService(host);
  return { host, service, controller, fatal };
}

/** The same on virtual time. */
async function madeOn(clock: VirtualClock, controller: ScriptedController, ...settings: [SettingName, unknown][]) {
  const bench = await made(controller, ...settings);
  const host: NodeHost = Object.assign(Object.create(NodeHost.prototype), bench.host, { clock });
  return { ...bench, service: new StorageService(host) };
}

/** A service with these settings that serves. */
async function serving(...settings: [SettingName, unknown][]) {
  const bench = await made(new ScriptedController(), ...settings);
  await bench.service.start();
  return bench;
}

/** Of a storage service in a process with a controller, with small files. */
const BASE = { roles: ['controller', 'storage'], journal_file_bytes: 32 << 20, journal_files: 3 };

function configOf(settings: readonly [SettingName, unknown][]): NodeConfig {
  return unlikeDefaults({ ...BASE, data_dir: directory, ...Object.fromEntries(settings) }).config;
}

async function stopped({ host, service }: Awaited<ReturnType<typeof made>>): Promise<void> {
  const deadline = new StopDeadline(10_000);
  await service.stop(deadline);
  await host.follower.stop(deadline);
  await host.base.stop(deadline);
}

function produce(service: StorageService, batch: Partial<NewBatch> = {}) {
  const records = buildBatch({ records: [{ value: Buffer.from('kept') }], timestamp: Date.now(), ...batch });
  const partitions = [{ topicId: TOPIC, partition: 0, recordBytes: records.length }];
  const request = {
    correlationId: 0,
    requiredAcks: -1,
    timeoutMs: 5000,
    metadataIndex: 0,
    partitions,
    creditBytes: 0,
    connectionId: 0,
  };
  return service.port.partitions.append({ request, records: [records] });
}

async function loadedGroups(service: StorageService): Promise<GroupPort> {
  const { groups } = service.port;
  const isLoading = async (): Promise<boolean> =>
    [14, 15, 16].includes((await groups.describeGroups({ groupIds: ['g'] })).groups[0]?.errorCode ?? 14);
  while (await isLoading()) await turnOfTheLoop();
  return groups;
}

async function commitOffset(service: StorageService, offset: number, metadata = ''): Promise<number | undefined> {
  const offsets = [{ topic: 't', topicId: TOPIC, partition: 0, offset, leaderEpoch: -1, metadata }];
  const nobody = { groupId: 'g', generationId: -1, memberId: '', retentionTimeMs: -1 };
  const { errorCodes } = await service.port.groups.commitOffsets({ ...nobody, offsets, apiVersion: 9, timeoutMs: 0 });
  return errorCodes[0];
}

/** -1: none. */
async function committedOffset(service: StorageService): Promise<number | undefined | 'loading'> {
  const topics = [{ topic: 't', topicId: TOPIC, partitions: [0] }];
  const request = { groupId: 'g', topics, allTopics: false, requireStable: true, memberId: '', memberEpoch: -1 };
  const { errorCode, offsets } = await service.port.groups.fetchOffsets(request);
  return errorCode === 0 ? offsets[0]?.offset : 'loading';
}

async function fetched(service: StorageService, fetchOffset = 0): Promise<number | undefined> {
  const wanted = {
    topicId: TOPIC,
    partition: 0,
    currentLeaderEpoch: -1,
    fetchOffset,
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
    expect(Object.keys(service[1]?.bulk ?? {})).toEqual(['pipeline']);
  });
});

/** Every setting that a storage service and its process read, each with another value than its default. */
const UNLIKE_DEFAULTS: GivenSettings = {
  ...BASE,
  node_id: 7,
  rack_id: 'eu-1a',
  advertised_addr: 'kafka.example:9192',
  advertised_inter_broker_addr: 'node.example:9193',
  tail_cache_bytes: 2 << 20,
  disk_free_bytes_min: 1 << 20,
  group_initial_rebalance_delay_ms: 700,
  group_min_session_timeout_ms: 20_000,
  group_max_session_timeout_ms: 30_000,
  group_max_size: 2,
  offset_metadata_max_bytes: 5,
  offsets_retention_minutes: 2,
  offsets_retention_check_interval_ms: 30_000,
  log_retention_check_interval_ms: 60_000,
  producer_id_expiration_ms: 60_000,
  session_timeout_ms: 20_000,
  fetch_max_bytes: 1_024,
  replica_lag_time_max_ms: 4_000,
  replica_catch_up_bytes_per_second: 3 << 20,
};

describe('the settings of a storage service', () => {
  it('are all given another value here than their default', async () => {
    const given = {
      ...UNLIKE_DEFAULTS,
      data_dir: directory,
      journal_dir: join(directory, 'journals'),
      journal_file_bytes: 26 << 20,
    };
    const { config, forgotten } = unlikeDefaults(given);
    const bench = await hosted(config);
    await bench.service.start();
    expect(forgotten()).toEqual([]);
    await stopped(bench);
  });

  it('node_id, rack_id, advertised_addr and advertised_inter_broker_addr are what it registers', async () => {
    const bench = await serving(
      ['node_id', 7],
      ['rack_id', 'eu-1a'],
      ['advertised_addr', 'kafka.example:9192'],
      ['advertised_inter_broker_addr', 'node.example:9193'],
    );
    const inside = { host: 'node.example', port: 9193 };
    expect(bench.controller.registrations[0]).toMatchObject({
      brokerId: 7,
      rack: 'eu-1a',
      listeners: [
        { name: 'kafka', host: 'kafka.example', port: 9192 },
        { name: 'controller', ...inside },
        { name: 'storage', ...inside },
      ],
    });
    await stopped(bench);
  });

  it('replica_lag_time_max_ms and replica_catch_up_bytes_per_second are what replicas are kept by', () => {
    const limits = replicationLimitsOf(
      configOf([
        ['replica_lag_time_max_ms', 4_000],
        ['replica_catch_up_bytes_per_second', 3 << 20],
      ]),
    );
    expect(limits.replica.replicaLagTimeMaxMs).toBe(4_000);
    expect(limits.push.catchUpBytesPerSecond).toBe(3 << 20);
  });

  it('journal_file_bytes and journal_files are the sizes of its journal', async () => {
    const capacityOf = async (...settings: [SettingName, unknown][]) => {
      const bench = await serving(...settings);
      const metrics = await bench.host.metrics.text();
      const { size } = await stat(join(directory, 'storage/journal/000.journal'));
      await stopped(bench);
      await rm(join(directory), { recursive: true });
      await mkdir(directory);
      return { size, capacity: Number(/^streamline_journal_capacity_bytes\{.*\} (\d+)$/m.exec(metrics)?.[1]) };
    };
    const three = await capacityOf(['journal_file_bytes', 26 << 20], ['journal_files', 3]);
    const four = await capacityOf(['journal_file_bytes', 26 << 20], ['journal_files', 4]);
    expect([three.size, four.size]).toEqual([26 << 20, 26 << 20]);
    expect(four.capacity / 4).toBeCloseTo(three.capacity / 3);
    expect(three.capacity / 3).toBeGreaterThan(25 << 20);
  });

  it('fetch_max_bytes is the most that a fetch finds, whatever is asked for', async () => {
    const bench = await serving(['fetch_max_bytes', 1_024]);
    const batch = { records: [{ value: randomBytes(700) }] };
    for (let n = 0; n < 3; n += 1) await produce(bench.service, batch);
    expect(await fetched(bench.service)).toBeLessThan(1_024);
    await stopped(bench);
  });

  it('session_timeout_ms is how long it waits to be registered, before the metadata says what holds in the cluster', async () => {
    const controller = new ScriptedController();
    const register = vi.spyOn(controller, 'registerBroker');
    const bench = await made(controller, ['session_timeout_ms', 20_000]);
    await bench.service.start();
    expect(register.mock.calls[0]).toEqual([expect.anything(), { deadlineMs: 20_000 }]);
    await stopped(bench);
  });

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
    // The refused start left its mark of an unclean one.
    const third = await made();
    await expect(third.service.start()).rejects.toMatchObject({ kind: 'damaged' });
    await stopped(third);
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

  it('serves fetches from the newest tail_cache_bytes without reading files, older ones from files', async () => {
    const reads = [vi.spyOn(NodeFile.prototype, 'read'), vi.spyOn(NodeFile.prototype, 'readSync')];
    const isSegment = (file: unknown): boolean => file instanceof NodeFile && file.path.endsWith('.log');
    const readsOf = async (service: StorageService, offset: number): Promise<number> => {
      for (const spy of reads) spy.mockClear();
      expect(await fetched(service, offset)).toBeGreaterThan(128 * 1024);
      return reads.flatMap(({ mock }) => mock.contexts).filter(isSegment).length;
    };
    const filled = async (tailCacheBytes: number) => {
      const bench = await serving(['tail_cache_bytes', tailCacheBytes]);
      const batch = { records: [{ value: randomBytes(128 * 1024) }] };
      let newest = 0;
      for (let n = 0; n < 24; n++) newest = (await produce(bench.service, batch)).partitions[0]?.baseOffset ?? 0;
      return { ...bench, newest, oldest: newest - 23 };
    };
    const large = await filled(64 << 20);
    expect(await readsOf(large.service, large.oldest)).toBe(0);
    await stopped(large);

    const small = await filled(1 << 20);
    // The oldest leave once they are synced, which the full cache asks for.
    while ((await readsOf(small.service, small.oldest)) === 0) await turnOfTheLoop();
    expect(await readsOf(small.service, small.newest)).toBe(0);
    await stopped(small);
    for (const spy of reads) spy.mockRestore();
  });

  it('forgets an idempotent producer after producer_id_expiration_ms, at the next log_retention_check_interval_ms', async () => {
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

  it('group_initial_rebalance_delay_ms is how long the first members of a group wait for others', async () => {
    const clock = new VirtualClock();
    const bench = await madeOn(clock, new ScriptedController(), ['group_initial_rebalance_delay_ms', 700]);
    await bench.service.start();
    const joined = watch((await loadedGroups(bench.service)).joinGroup(joinRequest('g', 'c')));
    const passed = async (ms: number): Promise<void> => {
      clock.advance(ms);
      for (let turns = 0; turns < 100; turns += 1) await turnOfTheLoop();
    };
    await passed(690);
    expect(joined.value).toBeUndefined();
    await passed(20);
    expect(await joined.promise).toMatchObject({ errorCode: 0, generationId: 1 });
    await stopped(bench);
  });

  it('group_min_session_timeout_ms and group_max_session_timeout_ms bound what a member may ask for', async () => {
    const bench = await serving(
      ['group_min_session_timeout_ms', 20_000],
      ['group_max_session_timeout_ms', 30_000],
      ['group_initial_rebalance_delay_ms', 0],
    );
    const groups = await loadedGroups(bench.service);
    const answered = async (sessionTimeoutMs: number): Promise<number> =>
      (await groups.joinGroup(joinRequest(`g${sessionTimeoutMs}`, 'c', { sessionTimeoutMs }))).errorCode;
    const codes = [await answered(19_999), await answered(20_000), await answered(30_000), await answered(30_001)];
    expect(codes).toEqual([26, 0, 0, 26]);
    await stopped(bench);
  });

  it('offset_metadata_max_bytes is how much text may stand beside an offset', async () => {
    const bench = await serving(['offset_metadata_max_bytes', 5]);
    await loadedGroups(bench.service);
    expect(await commitOffset(bench.service, 1, 'five!')).toBe(0);
    expect(await commitOffset(bench.service, 2, 'six!!!')).toBe(12);
    await stopped(bench);
  });

  it('takes no more members of a group than group_max_size', async () => {
    const bench = await serving(['group_max_size', 1]);
    const groups = await loadedGroups(bench.service);
    const join = () => groups.joinGroup(joinRequest('g', 'c', { rebalanceTimeoutMs: 100 }));
    const first = join();
    expect(await join()).toMatchObject({ errorCode: 81 });
    await stopped(bench);
    await first;
  });

  it('forgets the offsets of a group without members after offsets_retention_minutes, at the next offsets_retention_check_interval_ms, also for the next start', async () => {
    const clock = new VirtualClock();
    const started = async (): Promise<Awaited<ReturnType<typeof made>>> => {
      const bench = await madeOn(
        clock,
        new ScriptedController(),
        ['offsets_retention_minutes', 2],
        ['offsets_retention_check_interval_ms', 30_000],
      );
      await bench.service.start();
      return bench;
    };
    const first = await started();
    while ((await committedOffset(first.service)) === 'loading') await turnOfTheLoop();
    expect(await commitOffset(first.service, 7)).toBe(0);
    clock.advance(119_000);
    for (let turns = 0; turns < 100; turns++) await turnOfTheLoop();
    expect(await committedOffset(first.service)).toBe(7);
    clock.advance(31_000);
    while ((await committedOffset(first.service)) === 7) await turnOfTheLoop();
    expect(await committedOffset(first.service)).toBe(-1);
    await stopped(first);

    const second = await started();
    while ((await committedOffset(second.service)) === 'loading') await turnOfTheLoop();
    expect(await committedOffset(second.service)).toBe(-1);
    await stopped(second);
    expect([...first.fatal, ...second.fatal]).toEqual([]);
  });
});
