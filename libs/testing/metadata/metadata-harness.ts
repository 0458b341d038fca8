import { expect } from 'vitest';
import { brokerHeartbeat, registerBroker } from '@streamline/core/metadata/brokers';
import { bootstrapCluster } from '@streamline/core/metadata/cluster';
import type { NewTopic } from '@streamline/core/metadata/create-topics';
import { createTopics } from '@streamline/core/metadata/create-topics';
import type { Decision } from '@streamline/core/metadata/decision';
import type { SupportedFeature } from '@streamline/core/metadata/features';
import { OUR_FEATURES } from '@streamline/core/metadata/features';
import type { MetadataImage, TopicImage } from '@streamline/core/metadata/image';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { ReplicationLimits } from '@streamline/core/metadata/replication-limits';
import { REPLICATION_LIMITS } from '@streamline/core/metadata/replication-limits';
import { snapshotRecords } from '@streamline/core/metadata/snapshot';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId, TopicId } from '@streamline/core/types/ids';
import { CLUSTER_SETTINGS } from './cluster-settings';

export const CLUSTER = 'clusterclustercluster0' as ClusterId;

export function id22(prefix: string, n: number): string {
  return `${prefix}${n}`.padEnd(22, '_');
}

/** What a registration says that is not the same each time. */
export interface HarnessRegistration {
  readonly features?: readonly SupportedFeature[];
  readonly incarnation?: string;
  readonly directory?: string;
  readonly rack?: string;
  readonly previousEpoch?: number;
  readonly sameBoot?: boolean;
  readonly storageIsNew?: boolean;
}

/** A controller without host: decides, and replays what it decided. After every entry the metadata has to be sound. */
export class MetadataHarness {
  readonly state = new MetadataState();
  /** Of each (partition, leader epoch) the one incarnation that led with it. */
  readonly #incarnations = new Map<string, string>();
  readonly #brokerEpochs = new Map<NodeId, BrokerEpoch>();
  readonly log: { index: MetadataIndex; records: readonly MetadataRecord[] }[] = [];

  constructor(readonly limits: ReplicationLimits = REPLICATION_LIMITS) {}

  get nextIndex(): MetadataIndex {
    return (this.state.index + 1) as MetadataIndex;
  }

  run<Answer>({ entries, answer }: Decision<Answer>): Answer {
    for (const records of entries) {
      const index = this.nextIndex;
      const before = [...this.state.topics.values()];
      this.log.push({ index, records });
      this.state.apply(index, records);
      expectSound(this.state);
      this.#expectProgress(before);
    }
    return answer;
  }

  bootstrap(): this {
    this.run(bootstrapCluster(this.state, { clusterId: CLUSTER, settings: CLUSTER_SETTINGS }));
    return this;
  }

  register(id: number, options: HarnessRegistration = {}) {
    return this.run(
      registerBroker(
        this.state,
        {
          brokerId: id as NodeId,
          incarnationId: options.incarnation ?? `first of ${id}`,
          clusterId: CLUSTER,
          directoryId: (options.directory ?? id22('dir', id)) as DirectoryId,
          endpoints: [{ name: 'kafka', host: '127.0.0.1', port: 9092 }],
          rack: options.rack,
          features: options.features ?? OUR_FEATURES,
          previousBrokerEpoch: options.previousEpoch ?? -1,
          sameBoot: options.sameBoot ?? true,
          storageIsNew: options.storageIsNew ?? false,
        },
        this.nextIndex,
      ),
    );
  }

  heartbeat(id: number, options: { wantFence?: boolean; wantShutdown?: boolean; epoch?: number; applied?: number } = {}) {
    return this.run(
      brokerHeartbeat(this.state, {
        brokerId: id as NodeId,
        brokerEpoch: (options.epoch ?? this.epoch(id)) as BrokerEpoch,
        appliedMetadataIndex: (options.applied ?? this.state.index) as MetadataIndex,
        wantFence: options.wantFence ?? false,
        wantShutdown: options.wantShutdown ?? false,
      }),
    );
  }

  start(id: number, options: HarnessRegistration = {}): this {
    this.register(id, options);
    this.heartbeat(id);
    return this;
  }

  epoch(id: number): number {
    return this.state.brokers.get(id as NodeId)?.epoch ?? -1;
  }

  create(...topics: (Partial<NewTopic> & { name: string })[]) {
    return this.run(createTopics(this.state, { topics: topics.map(newTopic), validateOnly: false }, this.limits));
  }

  partition(topic: string, partition = 0) {
    const id = this.state.topicIdsByName.get(topic);
    return id === undefined ? undefined : this.state.topics.get(id)?.partitions[partition];
  }

  /** Epochs never go back, grow with what they count, and no two incarnations lead with the same one. */
  #expectProgress(before: readonly TopicImage[]): void {
    for (const { id, partitions } of before) {
      for (const [at, old] of partitions.entries()) {
        const now = this.state.topics.get(id)?.partitions[at];
        if (now === undefined || now === old) continue;
        expect(now.partitionEpoch).toBe(old.partitionEpoch + 1);
        expect(now.leaderEpoch - old.leaderEpoch).toBeGreaterThanOrEqual(now.leader === old.leader ? 0 : 1);
      }
    }
    for (const { id, epoch } of this.state.brokers.values()) {
      expect(epoch).toBeGreaterThanOrEqual(this.#brokerEpochs.get(id) ?? 0);
      this.#brokerEpochs.set(id, epoch);
    }
    for (const { id, partitions } of this.state.topics.values()) {
      for (const { partition, leader, leaderEpoch } of partitions) {
        if (leader === undefined) continue;
        const key = `${id}-${partition} in epoch ${leaderEpoch}`;
        const incarnation = `${leader} of epoch ${this.epoch(leader)}`;
        expect(`${key}: ${this.#incarnations.get(key) ?? incarnation}`).toBe(`${key}: ${incarnation}`);
        this.#incarnations.set(key, incarnation);
      }
    }
  }
}

let topicCount = 0;
export function newTopic(topic: Partial<NewTopic> & { name: string }): NewTopic {
  topicCount++;
  return {
    topicId: id22('topic', topicCount) as TopicId,
    partitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...topic,
  };
}

/**
 * Nobody leads who is not in the ISR, registered, Running, not fenced, with a log that works; ISR within the replicas, ELR outside of
 * the ISR, moves and failed logs about replicas: after every single entry.
 */
export function expectSound(image: MetadataImage): void {
  for (const topic of image.topics.values()) {
    expect(image.topicIdsByName.get(topic.name)).toBe(topic.id);
    for (const [at, each] of topic.partitions.entries()) {
      const { partition, replicas, isr, elr, lastKnownElr, addingReplicas, removingReplicas, failedReplicas, leader } = each;
      expect(partition).toBe(at);
      const lists = [replicas, isr, elr, lastKnownElr, addingReplicas, removingReplicas, failedReplicas];
      for (const nodes of lists) {
        expect(new Set(nodes).size).toBe(nodes.length);
        expect(nodes.every((node) => replicas.includes(node))).toBe(true);
      }
      expect(replicas).not.toEqual([]);
      for (const nodes of [elr, failedReplicas]) expect(nodes.some((node) => isr.includes(node))).toBe(false);
      expect(addingReplicas.some((node) => removingReplicas.includes(node))).toBe(false);
      expect(replicas.some((node) => !removingReplicas.includes(node))).toBe(true);
      if (leader === undefined) continue;
      expect(isr).toContain(leader);
      expect(image.brokers.get(leader)).toMatchObject({ fenced: false, state: 'Running' });
    }
  }
}

/** Nobody leads a partition only where nobody may: to be asked behind a whole command, since elections follow what allows them. */
export function expectLedWherePossible(image: MetadataImage): void {
  for (const { partitions } of image.topics.values()) {
    for (const { leader, isr, elr, lastKnownElr, failedReplicas } of partitions) {
      if (leader !== undefined) continue;
      const sole = isr.length + elr.length === 0 && lastKnownElr.length === 1 ? lastKnownElr : [];
      const able = [...isr, ...(isr.length === 0 ? elr : []), ...sole].filter((node) => {
        const broker = image.brokers.get(node);
        return broker?.fenced === false && broker.state === 'Running' && !failedReplicas.includes(node);
      });
      expect(able).toEqual([]);
    }
  }
}

export function contents(image: MetadataState): readonly MetadataRecord[] {
  return [...snapshotRecords(image)].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
