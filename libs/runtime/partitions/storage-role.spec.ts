import { describe, expect, it } from 'vitest';
import { OUR_FEATURES } from '@streamline/core/metadata/features';
import type { DirectoryId } from '@streamline/core/types/ids';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { buildBatch } from '@streamline/wire/records/batch-builder';
import { SILENT, TOPIC, topicT } from '@streamline/testing/partitions/host-bench';
import { MemoryLogEngine } from '@streamline/testing/partitions/memory-log-engine';
import { NO_PEERS } from '@streamline/testing/partitions/no-peers';
import { ScriptedController, refusal } from '@streamline/testing/partitions/scripted-controller';
import { SELF, TestMetadata, topicId } from '@streamline/testing/partitions/test-metadata';
import { createStorageRole } from './storage-role';
import type { StorageRoleDeps } from './storage-role';

/** Lets everything run that is ready, disk operations included. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function made(deps: Partial<StorageRoleDeps> = {}) {
  const disk = new MemoryDisk({ random: new SeededRandom(5) });
  await disk.makeDirectory('/d');
  const engine = new MemoryLogEngine();
  const clock = new VirtualClock();
  const metadata = new TestMetadata([topicT()]);
  const controller = new ScriptedController();
  const fatal: Error[] = [];
  const groups = { started: 0, stopped: 0 };
  const role = createStorageRole({
    nodeId: SELF,
    incarnationId: 'incarnation-1',
    clusterId: undefined,
    directoryId: topicId('D') as string as DirectoryId,
    listeners: [{ name: 'storage', host: 'h', port: 9095 }],
    rack: 'r1',
    engine,
    recovery: { isNew: false, cleanStop: true, sameBoot: true, brokerEpoch: 12 },
    metadata,
    controller: controller.asPort(),
    dialer: NO_PEERS.dialer,
    replicationLimits: NO_PEERS.limits,
    createGroups: () => ({
      port: {} as GroupPort,
      start: () => {
        groups.started += 1;
        return Promise.resolve();
      },
      stop: () => {
        groups.stopped += 1;
        return Promise.resolve();
      },
    }),
    clock,
    random: new SeededRandom(6),
    disk,
    directory: '/d',
    sessionTimeoutMs: 10_000,
    fetchLimits: { maxBytes: 1 << 20, maxWaiting: 10 },
    producerIdExpirationMs: 1000,
    retentionCheckIntervalMs: 300_000,
    log: SILENT,
    onFatal: (error) => fatal.push(error),
    ...deps,
  });
  const produce = () => {
    const records = buildBatch({ records: [{}], timestamp: clock.wallMs() });
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
    return role.port.partitions.append({ request, records: [records] });
  };
  return { role, disk, engine, clock, metadata, controller, fatal, groups, produce };
}

async function failedChecks(role: Awaited<ReturnType<typeof made>>['role']): Promise<string[]> {
  return (await role.status()).checks.filter((each) => !each.ok).map((each) => each.name);
}

describe('a storage role that starts', () => {
  it('registers, tells how it stopped last, and is Running by its first heartbeat', async () => {
    const bench = await made();
    bench.role.start();
    await bench.role.whenServing;
    expect(bench.controller.registrations).toEqual([
      {
        brokerId: 1,
        incarnationId: 'incarnation-1',
        clusterId: '',
        directoryId: topicId('D'),
        listeners: [{ name: 'storage', host: 'h', port: 9095 }],
        rack: 'r1',
        features: OUR_FEATURES,
        previousBrokerEpoch: 12,
        sameBoot: true,
        storageIsNew: false,
      },
    ]);
    expect(bench.controller.heartbeats).toEqual([
      { brokerId: 1, brokerEpoch: 41, appliedMetadataIndex: 1, wantFence: false, wantShutdown: false, features: OUR_FEATURES },
    ]);
    expect(bench.engine.brokerEpoch).toBe(41);
    expect(bench.groups.started).toBe(1);
    expect(await bench.role.status()).toMatchObject({ role: 'storage', ready: true });
  });

  it('after a crash names no broker epoch (P-2)', async () => {
    const bench = await made({ recovery: { isNew: true, cleanStop: false, sameBoot: false, brokerEpoch: 12 } });
    bench.role.start();
    await bench.role.whenServing;
    expect(bench.controller.registrations[0]).toMatchObject({ previousBrokerEpoch: -1, sameBoot: false, storageIsNew: true });
  });

  it('serves only once the metadata includes its registration (R-5)', async () => {
    const bench = await made();
    bench.controller.metadataIndex = 2;
    bench.role.start();
    await settle();
    expect(bench.controller.heartbeats).toEqual([]);
    expect((await bench.produce()).partitions[0]).toMatchObject({ errorCode: 6 });
    expect(await failedChecks(bench.role)).toEqual(['serving', 'unfenced']);
    bench.metadata.put(topicT());
    await bench.role.whenServing;
    const response = bench.produce();
    bench.engine.sync();
    expect((await response).partitions[0]).toMatchObject({ errorCode: 0 });
  });

  it('tries to register again, with growing pauses, when the controller is away or refuses for now', async () => {
    const bench = await made();
    bench.controller.nextRegistrations.push(new Error('ECONNREFUSED'), refusal(101, 'another incarnation is alive'));
    bench.role.start();
    await settle();
    expect(await failedChecks(bench.role)).toEqual(['registered', 'serving', 'unfenced']);
    bench.clock.advance(49);
    await settle();
    expect(bench.controller.registrations).toHaveLength(1);
    bench.clock.advance(51);
    await settle();
    expect(bench.controller.registrations).toHaveLength(2);
    bench.clock.advance(200);
    await bench.role.whenServing;
    expect(bench.controller.registrations).toHaveLength(3);
  });

  it('gives up with the reason when another try would change nothing', async () => {
    const bench = await made();
    bench.controller.nextRegistrations.push(refusal(104, 'this directory belongs to cluster X'));
    bench.role.start();
    await settle();
    expect(bench.fatal.map((error) => error.message)).toEqual(['this directory belongs to cluster X']);
  });
});

describe('a storage role that runs', () => {
  it('sends five heartbeats a session, by the session of the cluster', async () => {
    const bench = await made();
    bench.role.start();
    await bench.role.whenServing;
    const after = async (ms: number) => {
      bench.clock.advance(ms);
      await settle();
      return bench.controller.heartbeats.length;
    };
    expect(await after(1999)).toBe(1);
    expect(await after(1)).toBe(2);
    bench.metadata.setClusterConfigs({ 'broker.session.timeout.ms': '5000' });
    expect(await after(2000)).toBe(3);
    expect(await after(1000)).toBe(4);
  });

  it('tries a failed heartbeat again sooner than the next would be', async () => {
    const bench = await made();
    bench.controller.nextHeartbeats.push({}, new Error('unavailable'), new Error('unavailable'));
    bench.role.start();
    await bench.role.whenServing;
    bench.clock.advance(2000);
    await settle();
    bench.clock.advance(100);
    await settle();
    expect(bench.controller.heartbeats).toHaveLength(3);
    bench.clock.advance(200);
    await settle();
    expect(bench.controller.heartbeats).toHaveLength(4);
  });

  it('says when it is fenced, and when no longer', async () => {
    const bench = await made();
    bench.controller.nextHeartbeats.push({ isFenced: true });
    bench.role.start();
    await bench.role.whenServing;
    expect(await failedChecks(bench.role)).toEqual(['unfenced']);
    bench.clock.advance(2000);
    await settle();
    expect(await failedChecks(bench.role)).toEqual([]);
  });

  it.each([77, 102])('registers anew when the controller answers %i, and starts its groups only once', async (code) => {
    const bench = await made();
    bench.controller.nextHeartbeats.push({}, refusal(code));
    bench.role.start();
    await bench.role.whenServing;
    bench.clock.advance(2000);
    await settle();
    expect(bench.controller.registrations).toHaveLength(2);
    expect(bench.controller.registrations[1]).toMatchObject({
      incarnationId: 'incarnation-1',
      previousBrokerEpoch: 41,
      sameBoot: true,
      storageIsNew: false,
    });
    expect(bench.controller.heartbeats.at(-1)).toMatchObject({ brokerEpoch: 42 });
    expect(bench.engine.brokerEpoch).toBe(42);
    expect(bench.groups.started).toBe(1);
  });

  it('stops its heartbeats while the disk hangs longer than a session (J-9)', async () => {
    const bench = await made();
    bench.role.start();
    await bench.role.whenServing;
    await settle();
    const open = bench.disk.open.bind(bench.disk);
    const probing = (await open('/d/disk-probe', 'write')).constructor.prototype as { datasync: () => Promise<void> };
    const { datasync } = probing;
    probing.datasync = () => new Promise(() => undefined);
    try {
      for (let second = 0; second < 30; second += 1) {
        bench.clock.advance(1000);
        await settle();
      }
      const heartbeats = bench.controller.heartbeats.length;
      for (let second = 0; second < 10; second += 1) {
        bench.clock.advance(1000);
        await settle();
      }
      expect(bench.controller.heartbeats.length).toBe(heartbeats);
    } finally {
      probing.datasync = datasync;
    }
  });

  it('applies retention at every interval', async () => {
    const bench = await made();
    bench.role.start();
    await bench.role.whenServing;
    bench.clock.advance(300_000);
    await settle();
    bench.clock.advance(300_000);
    expect(bench.engine.retentionRuns).toBe(2);
  });

  it('is not ready when durability is lost, and says that the process is to exit', async () => {
    const bench = await made();
    bench.role.start();
    await bench.role.whenServing;
    bench.engine.fail(new Error('EIO on the journal'));
    expect(bench.fatal.map((error) => error.message)).toEqual(['EIO on the journal']);
    expect(await failedChecks(bench.role)).toContain('log-replayed');
  });
});

describe('a storage role that stops', () => {
  it('acknowledges what is in flight, waits until its leaderships have moved, and closes the logs', async () => {
    const bench = await made();
    bench.role.start();
    await bench.role.whenServing;
    bench.controller.nextHeartbeats.push({ shouldShutDown: false });
    const response = bench.produce();
    const stopping = bench.role.stop(10_000);
    await settle();
    expect((await bench.produce()).partitions[0]).toMatchObject({ errorCode: 6 });
    expect(bench.controller.heartbeats.at(-1)).toMatchObject({ wantShutdown: false });
    bench.engine.sync();
    bench.clock.advance(10);
    expect((await response).partitions[0]).toMatchObject({ errorCode: 0 });
    await settle();
    expect(bench.controller.heartbeats.at(-1)).toMatchObject({ wantShutdown: true });
    expect(bench.engine.isClosed).toBe(false);
    bench.clock.advance(100);
    await stopping;
    expect(bench.engine.isClosed).toBe(true);
    expect(bench.groups.stopped).toBe(1);
    expect((await bench.produce()).partitions[0]).toMatchObject({ errorCode: 6 });
  });

  it('closes the logs also when the controller is away, within its time', async () => {
    const bench = await made();
    bench.role.start();
    await bench.role.whenServing;
    bench.controller.nextHeartbeats.push(...Array.from({ length: 100 }, () => new Error('unavailable')));
    const response = bench.produce();
    const stopping = bench.role.stop(1000);
    for (let step = 0; step < 10; step += 1) {
      await settle();
      bench.clock.advance(100);
    }
    await stopping;
    expect(bench.engine.isClosed).toBe(true);
    expect((await response).partitions[0]).toMatchObject({ errorCode: 6 });
  });

  it('that never was registered just closes', async () => {
    const bench = await made();
    bench.controller.nextRegistrations.push(...Array.from({ length: 100 }, () => new Error('unavailable')));
    bench.role.start();
    await settle();
    await bench.role.stop(1000);
    expect(bench.engine.isClosed).toBe(true);
    bench.clock.advance(60_000);
    await settle();
    expect(bench.controller.registrations).toHaveLength(1);
    expect(bench.fatal).toEqual([]);
  });
});
