import type { NodeId } from '@streamline/core/types/ids';
import type { ConnectionLimits } from '@streamline/runtime/gateway/connection-limits';
import type { LogSink } from '@streamline/runtime/gateway/rate-limited-log';
import type { StorageRouter } from '@streamline/runtime/gateway/storage-router';
import type { RecordMemory } from '@streamline/runtime/log/record-memory';
import type { Clock } from '@streamline/runtime/ports/clock';
import type { Random } from '@streamline/runtime/ports/random';
import type { ControllerPort, GroupPort, MembershipPort, PartitionPort, StoragePort } from '@streamline/wire/contracts/ports';
import { KafkaClient } from '../kafka-client/kafka-client';
import { SeededRandom } from '../time/seeded-random';
import { VirtualClock } from '../time/virtual-clock';
import { FakeMetadata, type FakeCluster } from './fake-metadata';
import { fakePort } from './fake-port';
import { MemoryPartitions } from './memory-partitions';
import { overwriteUsedFrames } from './overwrite-used-frames';

/** What a gateway is made of, as `createGatewayRole` takes it. */
export interface BenchDependencies<Config> {
  readonly nodeId: NodeId;
  readonly listen: { readonly host: string; readonly port: number };
  readonly metadata: FakeMetadata;
  readonly controller: ControllerPort;
  readonly membership: MembershipPort;
  readonly storage: StorageRouter;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: LogSink;
  readonly records?: () => RecordMemory | undefined;
  readonly limits?: Partial<ConnectionLimits>;
  readonly config?: Partial<Config>;
}

export interface StartedGateway {
  readonly port: number;
  start(): Promise<void>;
  stop(signal: AbortSignal): Promise<void>;
}

export interface BenchOptions<Config> {
  /** Of the gateway; 1 where it does not say. */
  readonly nodeId?: number;
  readonly cluster?: FakeCluster;
  readonly controller?: Partial<ControllerPort>;
  readonly membership?: Partial<MembershipPort>;
  readonly groups?: Partial<GroupPort>;
  /** Calls of partitions other than append and fetch. */
  readonly partitions?: Partial<PartitionPort>;
  /** Storages of brokers other than 1, which has the bench's own. */
  readonly otherStorages?: ReadonlyMap<number, StoragePort>;
  /** What large requests are read to. */
  readonly records?: RecordMemory;
  readonly limits?: Partial<ConnectionLimits>;
  readonly config?: Partial<Config>;
}

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly [field: string]: unknown;
}

/** A gateway behind a real socket, with doubles for everything that it calls. Frames are overwritten when they are used. */
export class GatewayBench<Gateway extends StartedGateway> {
  private readonly clients: KafkaClient[] = [];

  private constructor(
    readonly gateway: Gateway,
    readonly metadata: FakeMetadata,
    readonly partitions: MemoryPartitions,
    readonly clock: VirtualClock,
    readonly lines: LogLine[],
  ) {}

  static async start<Config, Gateway extends StartedGateway>(
    create: (dependencies: BenchDependencies<Config>) => Gateway,
    options: BenchOptions<Config> = {},
  ): Promise<GatewayBench<Gateway>> {
    overwriteUsedFrames();
    const metadata = new FakeMetadata(options.cluster);
    const partitions = new MemoryPartitions((topicId, partition) => metadata.leaderOf(topicId, partition) === 1);
    const clock = new VirtualClock();
    const own: StoragePort = {
      partitions: partitions.port(options.partitions),
      groups: fakePort<GroupPort>(options.groups ?? {}),
    };
    const storages = new Map<number, StoragePort>([[1, own], ...(options.otherStorages ?? [])]);
    const lines: LogLine[] = [];
    const take = (level: LogLine['level']) => (fields: object) => void lines.push({ event: '', ...fields, level });
    const gateway = create({
      nodeId: (options.nodeId ?? 1) as NodeId,
      listen: { host: '127.0.0.1', port: 0 },
      metadata,
      controller: fakePort<ControllerPort>(options.controller ?? {}),
      membership: fakePort<MembershipPort>(options.membership ?? {}),
      storage: {
        replicaAt: (broker) => storages.get(broker),
        ofBroker: (broker) => [storages.get(broker)].filter((storage) => storage !== undefined),
      },
      clock,
      random: new SeededRandom(7),
      log: { info: take('info'), warn: take('warn'), error: take('error') },
      records: () => options.records,
      limits: options.limits,
      config: options.config,
    });
    await gateway.start();
    return new GatewayBench(gateway, metadata, partitions, clock, lines);
  }

  async client(clientId: string | null = 'test'): Promise<KafkaClient> {
    const client = await KafkaClient.connect({ port: this.gateway.port, clientId });
    this.clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    for (const client of this.clients) await client.close();
    const stopped = this.gateway.stop(AbortSignal.abort());
    this.clock.advance(1000);
    await stopped;
  }
}
