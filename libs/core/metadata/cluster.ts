import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, ClusterId, NodeId } from '../types/ids';
import { isUuidText } from '../types/ids';
import { brokerConfigDefinition, DURABILITY_CONFIG, RACK_AWARE_CONFIG } from './broker-config-definitions';
import { clusterConfigText } from './broker-configs';
import { registered } from './brokers';
import type { Decision, Failure } from './decision';
import { answerOnly, failure } from './decision';
import { NEW_CLUSTER_FEATURES } from './features';
import type { MetadataImage } from './image';
import type { MetadataRecord } from './records';
import { topicConfigDefinition } from './topic-config-definitions';

/** Always in the log, as in Kafka with eligible leader replicas (KIP-966): it must never change by a default that changes. */
const MIN_ISR_CONFIG = 'min.insync.replicas';

/** Producer ids handed out at a time, as in Kafka. */
export const PRODUCER_ID_BLOCK = 1000;

/** Settings that mean something for the whole cluster. They go into the log when it is bootstrapped; after that the log wins. */
export interface ClusterSettings {
  readonly defaultReplicationFactor: number;
  readonly minInsyncReplicas: number;
  readonly uncleanLeaderElection: boolean;
  readonly durability: 'fsync' | 'page-cache';
  readonly sessionTimeoutMs: number;
  readonly rackAwareAssignment: boolean;
  readonly offsetsTopicReplicationFactor: number;
  readonly numPartitions: number;
  readonly messageMaxBytes: number;
  readonly logSegmentBytes: number;
  /** -1: for ever. */
  readonly logRetentionMs: number;
  /** -1: without limit. */
  readonly logRetentionBytes: number;
  readonly maxDecompressedMessageBytes: number;
}

export interface BootstrapCluster {
  readonly clusterId: ClusterId;
  readonly settings: ClusterSettings;
}

/** The cluster-wide settings by their config names. */
export function clusterSettingsAsConfigs(settings: ClusterSettings): readonly (readonly [name: string, value: string])[] {
  return [
    ['default.replication.factor', String(settings.defaultReplicationFactor)],
    [MIN_ISR_CONFIG, String(settings.minInsyncReplicas)],
    ['unclean.leader.election.enable', String(settings.uncleanLeaderElection)],
    ['broker.session.timeout.ms', String(settings.sessionTimeoutMs)],
    [DURABILITY_CONFIG, settings.durability],
    [RACK_AWARE_CONFIG, String(settings.rackAwareAssignment)],
    ['offsets.topic.replication.factor', String(settings.offsetsTopicReplicationFactor)],
    ['num.partitions', String(settings.numPartitions)],
    ['message.max.bytes', String(settings.messageMaxBytes)],
    ['log.segment.bytes', String(settings.logSegmentBytes)],
    ['log.retention.ms', String(settings.logRetentionMs)],
    ['log.retention.bytes', String(settings.logRetentionBytes)],
    ['max.decompressed.message.bytes', String(settings.maxDecompressedMessageBytes)],
  ];
}

/** What holds where the log says nothing. Of log.retention.ms that is what log.retention.hours gives. */
function defaultOf(name: string): string | null {
  if (name === 'log.retention.ms') return topicConfigDefinition('retention.ms')?.defaultValue ?? null;
  return brokerConfigDefinition(name)?.defaultValue ?? null;
}

export interface SettingDifference {
  readonly name: string;
  readonly ours: string;
  readonly cluster: string | null;
  /** Ours is the default, so probably nobody asked for it; otherwise it is worth a warning. */
  readonly isDefault: boolean;
}

/** Where a node's settings differ from the cluster's, which are what holds. */
export function differingSettings(image: MetadataImage, settings: ClusterSettings): readonly SettingDifference[] {
  return clusterSettingsAsConfigs(settings)
    .map(([name, ours]) => {
      const byDefault = defaultOf(name);
      return { name, ours, cluster: clusterConfigText(image, name) ?? byDefault, isDefault: ours === byDefault };
    })
    .filter(({ ours, cluster }) => ours !== cluster);
}

/**
 * Makes an empty log a cluster. Settings that are the default are left out (all but min.insync.replicas), so that DescribeConfigs
 * tells them as defaults.
 * Done again with the same id it does nothing; a cluster never takes another id.
 */
export function bootstrapCluster(image: MetadataImage, { clusterId, settings }: BootstrapCluster): Decision<Failure | undefined> {
  if (image.clusterId === clusterId) return answerOnly(undefined);
  if (image.clusterId !== undefined) {
    return answerOnly(
      failure(
        ErrorCode.INCONSISTENT_CLUSTER_ID,
        `This is cluster ${image.clusterId}: it cannot be bootstrapped again as ${clusterId}.`,
      ),
    );
  }
  if (!isUuidText(clusterId)) {
    return answerOnly(failure(ErrorCode.INVALID_REQUEST, `'${clusterId}' is no cluster id (22 characters of url-safe base64).`));
  }
  const records: MetadataRecord[] = [
    { kind: 'cluster', clusterId },
    ...NEW_CLUSTER_FEATURES.map(({ name, level }): MetadataRecord => ({ kind: 'featureLevel', name, level })),
    ...clusterSettingsAsConfigs(settings)
      .filter(([name, value]) => name === MIN_ISR_CONFIG || value !== defaultOf(name))
      .map(([name, value]): MetadataRecord => ({ kind: 'config', resourceType: 4, resourceName: '', name, value })),
  ];
  return { entries: [records], answer: undefined };
}

export type ProducerIdBlock =
  { readonly error: Failure } | { readonly error: undefined; readonly first: number; readonly count: number };

/** Gives a broker a block of producer ids that nobody else ever gets. */
export function allocateProducerIds(image: MetadataImage, brokerId: NodeId, brokerEpoch: BrokerEpoch): Decision<ProducerIdBlock> {
  const known = registered(image, brokerId, brokerEpoch);
  if ('errorCode' in known) return answerOnly({ error: known });
  const first = image.nextProducerId;
  if (first > Number.MAX_SAFE_INTEGER - PRODUCER_ID_BLOCK) {
    return answerOnly({ error: failure(ErrorCode.UNKNOWN_SERVER_ERROR, 'All producer ids are used up.') });
  }
  const nextProducerId = first + PRODUCER_ID_BLOCK;
  return {
    entries: [[{ kind: 'producerIds', brokerId, brokerEpoch, nextProducerId }]],
    answer: { error: undefined, first, count: PRODUCER_ID_BLOCK },
  };
}
