import { OUR_FEATURES } from '@streamline/core/metadata/features';
import { snapshotRecords } from '@streamline/core/metadata/snapshot';
import type { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { CLUSTER_SETTINGS } from '../metadata/cluster-settings';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type * as wire from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import type { ControllerEvents, ControllerRoleDeps } from '@streamline/runtime/controller/controller-role';
import { ControllerRole } from '@streamline/runtime/controller/controller-role';
import type { OpenedLog, OpenLogOptions } from '@streamline/runtime/controller/open-metadata-log';
import { openMetadataLog } from '@streamline/runtime/controller/open-metadata-log';
import { MemoryStore, StoreMedium } from './memory-store';

export const NODE = 1 as NodeId;
export const DIRECTORY = 'directorydirectory0000' as DirectoryId;
export const CLUSTER = 'clusterclustercluster0' as ClusterId;
export const BOOTSTRAP = { clusterId: CLUSTER, settings: CLUSTER_SETTINGS };

export interface Controller {
  readonly opened: OpenedLog;
  readonly role: ControllerRole;
  readonly fatal: Error[];
  readonly defects: Error[];
  readonly expired: NodeId[];
}

/** A machine with a controller on it that can be stopped, killed and started again. */
export class ControllerKit {
  clock = new VirtualClock();
  readonly medium = new StoreMedium();
  readonly random: SeededRandom;
  disk: MemoryDisk;

  constructor(seed = 1) {
    this.random = new SeededRandom(seed);
    this.disk = new MemoryDisk({ random: this.random.fork() });
  }

  async openLog(options: Partial<OpenLogOptions> = {}): Promise<OpenedLog> {
    if (!(await this.disk.exists('/controller'))) {
      await this.disk.makeDirectory('/controller');
      await this.disk.syncDirectory('/');
    }
    const { disk } = this;
    return openMetadataLog({
      disk,
      clock: this.clock,
      random: this.random,
      directory: '/controller',
      nodeId: NODE,
      directoryId: DIRECTORY,
      openStore: async (_, mode) => {
        // A process that is gone opens nothing.
        if (disk !== this.disk) await new Promise(() => undefined);
        return new MemoryStore(this.medium, mode);
      },
      snapshotIntervalLogs: 1000,
      maxLogsInSnapshot: 1000,
      journalSize: { fileBytes: 128 * 1024, fileCount: 4, groupBytesMax: 32 * 1024, pendingBytesMax: 256 * 1024 },
      ...options,
    });
  }

  async start(
    options: Partial<OpenLogOptions> = {},
    deps: Partial<ControllerRoleDeps> = {},
    events: Partial<ControllerEvents> = {},
  ): Promise<Controller> {
    const opened = await this.openLog(options);
    const [fatal, defects, expired]: [Error[], Error[], NodeId[]] = [[], [], []];
    const role = ControllerRole.start({
      clock: this.clock,
      random: this.random,
      log: opened.log,
      committed: opened.committed,
      expectedClusterId: undefined,
      bootstrap: BOOTSTRAP,
      isMember: () => true,
      events: {
        onBrokerExpired: (id) => expired.push(id),
        onPossibleLoss: () => undefined,
        onUncleanElections: () => undefined,
        onLeadership: () => undefined,
        onLeadersBalanced: () => undefined,
        onDefect: (error) => defects.push(error),
        onFatal: (error) => fatal.push(error),
        ...events,
      },
      ...deps,
    });
    await role.tookUp;
    return { opened, role, fatal, defects, expired };
  }

  async stop({ role, opened }: Controller): Promise<void> {
    await role.stop();
    await opened.close();
  }

  /** Cuts the power. */
  crash(): void {
    this.disk = this.disk.crash();
    this.medium.crash(this.random.integer(0, this.medium.unflushed.length));
  }
}

export function registration(incarnationId: string, rest: Partial<wire.RegisterBrokerRequest> = {}): wire.RegisterBrokerRequest {
  return {
    brokerId: NODE,
    incarnationId,
    clusterId: CLUSTER,
    directoryId: DIRECTORY,
    listeners: [{ name: 'kafka', host: '127.0.0.1', port: 9092 }],
    rack: undefined,
    previousBrokerEpoch: -1,
    sameBoot: true,
    storageIsNew: false,
    features: [...OUR_FEATURES],
    ...rest,
  };
}

/** Registers broker 1 and makes it lead. Returns its epoch. */
export async function startBroker(role: ControllerPort, incarnationId = 'first'): Promise<number> {
  const { brokerEpoch, metadataIndex } = await role.registerBroker(registration(incarnationId));
  await heartbeat(role, brokerEpoch, { appliedMetadataIndex: metadataIndex });
  return brokerEpoch;
}

export function heartbeat(
  role: ControllerPort,
  brokerEpoch: number,
  rest: Partial<wire.BrokerHeartbeatRequest> = {},
): Promise<wire.BrokerHeartbeatResponse> {
  return role.brokerHeartbeat({
    brokerId: NODE,
    brokerEpoch,
    appliedMetadataIndex: Number.MAX_SAFE_INTEGER,
    wantFence: false,
    wantShutdown: false,
    features: [...OUR_FEATURES],
    ...rest,
  });
}

export function topic(name: string, rest: Partial<wire.CreatableTopic> = {}): wire.CreatableTopic {
  return { name, partitions: 1, replicationFactor: 1, assignments: [], configs: [], ...rest };
}

export function create(role: ControllerPort, ...topics: wire.CreatableTopic[]): Promise<wire.CreateTopicsResponse> {
  return role.createTopics({ topics, validateOnly: false, timeoutMs: 30_000 });
}

/** Everything that a state holds, in one order. */
export function contents(state: MetadataState): readonly MetadataRecord[] {
  return [...snapshotRecords(state)].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
