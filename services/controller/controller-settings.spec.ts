import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { clusterConfigText } from '@streamline/core/metadata/broker-configs';
import type { MetadataIndex } from '@streamline/core/types/ids';
import { NodeHost } from '@streamline/platform/host/node-host';
import { StopDeadline } from '@streamline/platform/lifecycle/stop-deadline';
import { RaftDriver } from '@streamline/runtime/raft/raft-driver';
import { MetadataMachine } from '@streamline/runtime/controller/metadata-machine';
import { type GivenSettings, unlikeDefaults, type UnlikeDefaults } from '@streamline/testing/config/unlike-defaults';
import { registration, topic } from '@streamline/testing/controller/controller-kit';
import { until } from '@streamline/testing/time/until';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { ControllerService } from './controller.service';

const SNAPSHOT_INTERVAL = 5;

let directory: string;
let clock: VirtualClock;
let settings: UnlikeDefaults;
let host: NodeHost;
let service: ControllerService;
let controller: ControllerPort;

/** Every setting that a controller and its process read, each with another value than its default. */
function given(): GivenSettings {
  return {
    node_id: 7,
    roles: ['controller'],
    data_dir: join(directory, 'data'),
    journal_dir: join(directory, 'journals'),
    advertised_addr: 'kafka.example:9192',
    advertised_inter_broker_addr: 'node.example:9193',
    durability: 'page-cache',
    session_timeout_ms: 20_000,
    rack_aware_assignment: false,
    offsets_topic_replication_factor: 2,
    default_replication_factor: 3,
    min_insync_replicas: 2,
    unclean_leader_election: true,
    snapshot_interval_logs: SNAPSHOT_INTERVAL,
    max_logs_in_snapshot: 8,
    heartbeat_interval_ms: 400,
    election_timeout_min_ms: 900,
    election_timeout_max_ms: 1_900,
    purge_batch_size: 50,
    max_payload_entries: 60,
    // Itself, so that it begins a cluster.
    seed_nodes: ['node.example:9193'],
    num_partitions: 3,
    message_max_bytes: 2_000_000,
    log_segment_bytes: 10_000_000,
    log_retention_ms: 3_600_000,
    log_retention_bytes: 1_000_000,
    max_decompressed_message_bytes: 1_000_000,
  };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'streamline-controller-'));
  clock = new VirtualClock();
  settings = unlikeDefaults(given());
  const opened = await NodeHost.open(settings.config, pino({ level: 'silent' }), (error) => {
    throw error;
  });
  host = Object.assign(Object.create(NodeHost.prototype) as NodeHost, opened, { clock });
  service = new ControllerService(host);
  await service.start();
  controller = host.local.lateController();
  const replica = await host.local.whenReplica;
  await until(() => replica.image.clusterId !== undefined);
});

afterEach(async () => {
  await service.stop();
  await host.base.stop(new StopDeadline(10_000));
  await rm(directory, { recursive: true });
});

function image() {
  const { controllerReplica } = host.local;
  if (controllerReplica === undefined) throw new Error('the controller has not started');
  return controllerReplica.image;
}

/** A broker of this cluster that runs. Returns its epoch. */
async function registered(): Promise<number> {
  const clusterId = image().clusterId ?? '';
  const request = registration('first', { brokerId: 7, clusterId, directoryId: host.directory.directoryId });
  const { brokerEpoch } = await controller.registerBroker(request);
  await beat(brokerEpoch);
  return brokerEpoch;
}

async function beat(brokerEpoch: number): Promise<void> {
  const appliedMetadataIndex = image().index;
  await controller.brokerHeartbeat({
    brokerId: 7,
    brokerEpoch,
    appliedMetadataIndex,
    wantFence: false,
    wantShutdown: false,
    features: [],
  });
}

async function createTopics(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await controller.createTopics({ topics: [topic(`t${n}`)], validateOnly: false, timeoutMs: 1_000 });
  }
}

describe('the settings of a controller', () => {
  it('are all given another value here than their default', () => {
    expect(settings.forgotten('bootstrap')).toEqual([]);
  });

  it('the settings of Raft are what its core is given', async () => {
    await service.stop();
    const start = vi.spyOn(RaftDriver, 'start');
    service = new ControllerService(host);
    await service.start();
    await until(() => start.mock.calls.length > 0);
    expect(start.mock.calls[0]?.[0].config).toMatchObject({
      heartbeatIntervalMs: 400,
      electionTimeoutMinMs: 900,
      electionTimeoutMaxMs: 1_900,
      purgeBatchSize: 50,
      maxPayloadEntries: 60,
    });
    start.mockRestore();
  });

  it('seed_nodes and bootstrap decide whether it begins a cluster, joins one or waits', async () => {
    // Itself as its only seed: it has begun one. Told never to, it waits.
    expect(image().clusterId).toBeDefined();
    const other = unlikeDefaults({ ...given(), data_dir: join(directory, 'other'), journal_dir: undefined, bootstrap: 'never' });
    const opened = await NodeHost.open(other.config, pino({ level: 'silent' }), () => undefined);
    const waiting = new ControllerService(opened);
    await waiting.start();
    const quorum = () => opened.local.lateController().getQuorumStatus({ ofLeader: false });
    let note = '';
    await until(() => {
      void quorum().then(({ formationNote }) => (note = formationNote));
      return note.startsWith('waiting to be added to a cluster') || note.startsWith('waiting for a seed node');
    });
    await waiting.stop();
    await opened.base.stop(new StopDeadline(10_000));
  });

  it('journal_dir is where it keeps its journal', () => {
    expect(existsSync(join(directory, 'journals/controller/000.journal'))).toBe(true);
    expect(existsSync(join(directory, 'data/controller/journal'))).toBe(false);
  });

  it.each([
    ['num_partitions', 'num.partitions', '3'],
    ['message_max_bytes', 'message.max.bytes', '2000000'],
    ['log_segment_bytes', 'log.segment.bytes', '10000000'],
    ['log_retention_ms', 'log.retention.ms', '3600000'],
    ['log_retention_bytes', 'log.retention.bytes', '1000000'],
    ['max_decompressed_message_bytes', 'max.decompressed.message.bytes', '1000000'],
    ['session_timeout_ms', 'broker.session.timeout.ms', '20000'],
    ['offsets_topic_replication_factor', 'offsets.topic.replication.factor', '2'],
    ['default_replication_factor', 'default.replication.factor', '3'],
    ['min_insync_replicas', 'min.insync.replicas', '2'],
    ['unclean_leader_election', 'unclean.leader.election.enable', 'true'],
    ['durability', 'streamline.durability', 'page-cache'],
    ['rack_aware_assignment', 'streamline.rack.aware.assignment', 'false'],
  ])('%s is what the cluster that it begins has as %s', (_setting, config, text) => {
    expect(clusterConfigText(image(), config)).toBe(text);
  });

  it('session_timeout_ms is how long a broker may be silent', async () => {
    const epoch = await registered();
    for (let n = 0; n < 19; n += 1) clock.advance(1_000);
    await beat(epoch);
    expect(image().brokers.get(host.nodeId)?.state).toBe('Running');
    const next = (image().index + 1) as MetadataIndex;
    for (let n = 0; n < 21; n += 1) clock.advance(1_000);
    expect(await host.local.controllerReplica?.waitFor(next, 1_000)).toBe(true);
    expect(image().brokers.get(host.nodeId)?.state).not.toBe('Running');
  });

  it('snapshot_interval_logs is how many entries come between two snapshots of the image', async () => {
    const snapshot = vi.spyOn(MetadataMachine.prototype, 'capture');
    await registered();
    await createTopics(4 * SNAPSHOT_INTERVAL);
    // One is taken at a time: on a slow disk the next one waits for more than the interval.
    expect(snapshot.mock.calls.length).toBeGreaterThanOrEqual(1);
    expect(snapshot.mock.calls.length).toBeLessThanOrEqual(6);
    snapshot.mockRestore();
  });

  it('max_logs_in_snapshot is how many entries are kept for a follower that is behind', async () => {
    await registered();
    await createTopics(12);
    const firstFor = async (fromIndex: number) => {
      const abort = new AbortController();
      for await (const message of controller.followMetadata({ fromIndex, follower: 'x' }, { signal: abort.signal })) {
        abort.abort();
        return message;
      }
      return undefined;
    };
    expect(await firstFor(image().index - 7)).toMatchObject({ snapshotStart: false });
    expect(await firstFor(image().index - 9)).toMatchObject({ snapshotStart: true });
  });
});
