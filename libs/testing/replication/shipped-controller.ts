import { alterPartition, reportFailedReplicas } from '@streamline/core/metadata/alter-partition';
import { brokerGone, brokerHeartbeat, registerBroker } from '@streamline/core/metadata/brokers';
import { bootstrapCluster } from '@streamline/core/metadata/cluster';
import type { Decision } from '@streamline/core/metadata/decision';
import { electLeaders } from '@streamline/core/metadata/elect-leaders';
import { holdsAll } from '@streamline/core/metadata/elections';
import { OUR_FEATURES } from '@streamline/core/metadata/features';
import type { BrokerImage, PartitionImage, TopicImage } from '@streamline/core/metadata/image';
import { isUncleanElection } from '@streamline/core/metadata/leadership';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import { alterReassignments } from '@streamline/core/metadata/reassignments';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type {
  BrokerEpoch,
  ClusterId,
  DirectoryId,
  LeaderEpoch,
  MetadataIndex,
  NodeId,
  PartitionIndex,
  TopicId,
} from '@streamline/core/types/ids';
import { CLUSTER_SETTINGS } from '../metadata/cluster-settings';
import type {
  AlterPartitionAnswer,
  AlterPartitionRequest,
  BrokerState,
  ClusterImage,
  ControllerEvents,
  Departure,
  PartitionRules,
  PartitionState,
} from './controller-model';
import { ControllerModel } from './controller-model';

const CLUSTER = 'clusterclustercluster0' as ClusterId;
const LIMITS = { replicationFactorMax: 5 };
/** Of topics whose acknowledgement promises the page cache. */
const PAGE_CACHE_FLUSH_MESSAGES = 1000;

/**
 * The shipped metadata core where the simulator has its model: every call is the command that a broker or an operator would send,
 * and what its records come to is the image that the brokers follow. Each partition is the only one of a topic.
 */
export class ShippedController extends ControllerModel {
  readonly #state = new MetadataState();
  readonly #shown = new WeakMap<PartitionImage, PartitionState>();
  #brokers: { readonly of: readonly BrokerImage[]; readonly shown: ReadonlyMap<number, BrokerState> } = {
    of: [],
    shown: new Map(),
  };
  #image: ClusterImage;
  #incarnations = 0;
  /** Of each broker, how many disks it has had. */
  readonly #disks = new Map<number, number>();

  constructor(
    rules: readonly PartitionRules[],
    assignments: readonly (readonly number[])[],
    private readonly told: ControllerEvents,
  ) {
    super(rules, assignments, told);
    const { entries } = bootstrapCluster(this.#state, { clusterId: CLUSTER, settings: CLUSTER_SETTINGS });
    for (const records of [...entries, ...assignments.map((replicas, partition) => this.#created(partition, replicas))]) {
      this.#state.apply((this.#state.index + 1) as MetadataIndex, records);
    }
    this.#image = this.#show();
  }

  override get image(): ClusterImage {
    return this.#image;
  }

  override register(broker: number, departureFor: (rules: PartitionRules) => Departure): number {
    const known = this.#state.brokers.get(broker as NodeId);
    const departures = this.rules.map(departureFor);
    if (departures.includes('new-disk')) {
      this.#disks.set(broker, (this.#disks.get(broker) ?? 0) + 1);
      // Another disk is refused while the broker of the one before counts as alive: until its session has ended.
      this.fence(broker);
    }
    if (known !== undefined) this.#tellLosses(broker, departures);
    const isCacheLost = departureFor({ minInsyncReplicas: 1, durability: 'page-cache', uncleanElection: false }) === 'unclean';
    const command = {
      brokerId: broker as NodeId,
      incarnationId: `incarnation ${(this.#incarnations += 1)}`,
      clusterId: CLUSTER,
      directoryId: `directory-${broker}-${this.#disks.get(broker) ?? 0}`.padEnd(22, '_') as DirectoryId,
      endpoints: [],
      rack: undefined,
      features: OUR_FEATURES,
      previousBrokerEpoch: -1,
      sameBoot: !isCacheLost,
      storageIsNew: false,
    };
    const answer = this.#run(registerBroker(this.#state, command, (this.#state.index + 1) as MetadataIndex));
    if (answer.error !== undefined) throw new Error(`broker ${broker} cannot register: ${answer.error.message}`);
    return answer.brokerEpoch;
  }

  override unfence(broker: number, epoch: number): void {
    this.#heartbeat(broker, epoch, false);
  }

  override shutDown(broker: number, epoch: number): void {
    this.#heartbeat(broker, epoch, true);
  }

  override fence(broker: number): void {
    const known = this.#state.brokers.get(broker as NodeId);
    if (known !== undefined) this.#run(brokerGone(this.#state, known.id, known.epoch));
  }

  override report(broker: number, epoch: number, condition: 'full' | 'whole'): void {
    const topics = this.rules.map((_, partition) => ({ topicId: topicOf(partition), partitions: [0 as PartitionIndex] }));
    const command = { brokerId: broker as NodeId, brokerEpoch: epoch as BrokerEpoch, topics, condition };
    this.#run(reportFailedReplicas(this.#state, command));
  }

  override alterPartition(request: AlterPartitionRequest): AlterPartitionAnswer {
    const { partition, broker, brokerEpoch, leaderEpoch, partitionEpoch, newIsr } = request;
    const proposal = {
      topicId: topicOf(partition),
      partition: 0 as PartitionIndex,
      leaderEpoch: leaderEpoch as LeaderEpoch,
      partitionEpoch,
      newIsr: newIsr.map(({ nodeId, brokerEpoch: epoch }) => ({ brokerId: nodeId, brokerEpoch: epoch })),
    };
    const command = { brokerId: broker as NodeId, brokerEpoch: brokerEpoch as BrokerEpoch, proposals: [proposal] };
    const answer = this.#run(alterPartition(this.#state, command));
    if ('errorCode' in answer) return { errorCode: answer.errorCode as never };
    const outcome = answer[0]?.outcome;
    if (outcome === undefined) throw new Error('a proposal without a verdict');
    if ('errorCode' in outcome) return { errorCode: outcome.errorCode as never };
    return { errorCode: undefined, state: this.#shownOf(this.#partition(partition)) };
  }

  override reassign(partition: number, target: readonly number[]): void {
    const { addingReplicas, removingReplicas } = this.#partition(partition);
    if (addingReplicas.length + removingReplicas.length > 0) return;
    const topics = [{ name: nameOf(partition), partitions: [{ partition: 0, replicas: target as readonly NodeId[] }] }];
    this.#run(alterReassignments(this.#state, { topics, allowReplicationFactorChange: true }, LIMITS));
  }

  override electPreferred(partition: number): void {
    this.#run(electLeaders(this.#state, { kind: 'preferred', topics: [{ name: nameOf(partition), partitions: [0] }] }));
  }

  override electUncleanly(partition: number): void {
    const { isr, elr } = this.#partition(partition);
    if (isr.length + elr.length > 0) return;
    this.#run(electLeaders(this.#state, { kind: 'unclean', topics: [{ name: nameOf(partition), partitions: [0] }] }));
  }

  override effectiveMinIsr(partition: number): number {
    return Math.min(this.rules[partition]?.minInsyncReplicas ?? 1, this.#partition(partition).replicas.length);
  }

  #created(partition: number, replicas: readonly number[]): readonly MetadataRecord[] {
    const topicId = topicOf(partition);
    const nodes = replicas as readonly NodeId[];
    const { minInsyncReplicas = 1, durability, uncleanElection = false } = this.rules[partition] ?? {};
    const configs = [
      ['min.insync.replicas', String(minInsyncReplicas)],
      ['unclean.leader.election.enable', String(uncleanElection)],
      ['flush.messages', String(durability === 'page-cache' ? PAGE_CACHE_FLUSH_MESSAGES : 1)],
    ] as const;
    return [
      { kind: 'topic', topicId, name: nameOf(partition) },
      {
        ...{ kind: 'partition', topicId, partition: 0 as PartitionIndex, replicas: nodes, isr: nodes, elr: [], lastKnownElr: [] },
        ...{ addingReplicas: [], removingReplicas: [], failedReplicas: [] },
        ...{ leader: nodes[0], leaderEpoch: 0 as LeaderEpoch, partitionEpoch: 0 },
      },
      ...configs.map(([name, value]): MetadataRecord => {
        return { kind: 'config', resourceType: 2, resourceName: nameOf(partition), name, value };
      }),
    ];
  }

  #heartbeat(broker: number, epoch: number, wantShutdown: boolean): void {
    const command = {
      brokerId: broker as NodeId,
      brokerEpoch: epoch as BrokerEpoch,
      appliedMetadataIndex: this.#state.index,
      wantFence: false,
      wantShutdown,
    };
    this.#run(brokerHeartbeat(this.#state, command));
  }

  /** What a registration says of a page cache or a disk. */
  #tellLosses(broker: number, departures: readonly Departure[]): void {
    for (const [partition, departure] of departures.entries()) {
      if (departure !== 'fenced' && holdsAll(this.#partition(partition), broker as NodeId)) this.told.possibleLoss(partition);
    }
  }

  #run<Answer>({ entries, answer }: Decision<Answer>): Answer {
    for (const records of entries) {
      const before = [...this.#state.topics.values()];
      for (const record of records) this.#tellUnclean(record);
      this.#state.apply((this.#state.index + 1) as MetadataIndex, records);
      this.#image = this.#show();
      for (const old of before) this.#tellChange(old);
    }
    return answer;
  }

  #tellUnclean(record: MetadataRecord): void {
    if (record.kind !== 'partitionChange') return;
    const partition = partitionOf(record.topicId);
    if (isUncleanElection(this.#partition(partition), record)) this.told.possibleLoss(partition);
  }

  #tellChange({ id, partitions: [before] }: TopicImage): void {
    const after = this.#state.topics.get(id)?.partitions[0];
    if (before === undefined || after === undefined || before === after) return;
    this.told.changed(partitionOf(id), this.#shownOf(before), this.#shownOf(after));
  }

  #show(): ClusterImage {
    const partitions = this.rules.map((_, partition) => this.#shownOf(this.#partition(partition)));
    const brokers = [...this.#state.brokers.values()];
    if (brokers.length !== this.#brokers.of.length || brokers.some((each, at) => each !== this.#brokers.of[at])) {
      const shown = brokers.map(
        ({ id, epoch, fenced, state }) => [id, { epoch, fenced, shuttingDown: state === 'ShuttingDown' }] as const,
      );
      this.#brokers = { of: brokers, shown: new Map(shown) };
    }
    return { version: this.#state.index, partitions, brokers: this.#brokers.shown };
  }

  /** The same for the same partition: brokers tell by that what changed. */
  #shownOf(partition: PartitionImage): PartitionState {
    let shown = this.#shown.get(partition);
    if (shown === undefined) {
      const { addingReplicas: adding, removingReplicas: removing, failedReplicas: failed, ...rest } = partition;
      this.#shown.set(partition, (shown = { ...rest, adding, removing, failed }));
    }
    return shown;
  }

  #partition(partition: number): PartitionImage {
    const image = this.#state.topics.get(topicOf(partition))?.partitions[0];
    if (image === undefined) throw new RangeError(`no partition ${partition}`);
    return image;
  }
}

function topicOf(partition: number): TopicId {
  return `${partition}-`.padEnd(22, 't') as TopicId;
}

function partitionOf(id: TopicId): number {
  return Number.parseInt(id, 10);
}

function nameOf(partition: number): string {
  return `t${partition}`;
}
