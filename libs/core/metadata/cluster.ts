import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, ClusterId, NodeId } from '../types/ids';
import { isUuidText } from '../types/ids';
import { DURABILITY_CONFIG, RACK_AWARE_CONFIG } from './broker-config-definitions';
import { clusterConfigText } from './broker-configs';
import { registered } from './brokers';
import type { Decision, Failure } from './decision';
import { answerOnly, failure } from './decision';
import type { MetadataImage } from './image';
import type { MetadataRecord } from './records';

/** The feature whose level gates what is written to the metadata log. */
export const METADATA_VERSION_FEATURE = 'metadata.version';
/** The newest level that this version writes and reads. */
export const METADATA_VERSION = 1;

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
}

export interface BootstrapCluster {
  readonly clusterId: ClusterId;
  readonly settings: ClusterSettings;
}

/** The cluster-wide settings by their config names. */
export function clusterSettingsAsConfigs(settings: ClusterSettings): readonly (readonly [name: string, value: string])[] {
  return [
    ['default.replication.factor', String(settings.defaultReplicationFactor)],
    ['min.insync.replicas', String(settings.minInsyncReplicas)],
    ['unclean.leader.election.enable', String(settings.uncleanLeaderElection)],
    ['broker.session.timeout.ms', String(settings.sessionTimeoutMs)],
    [DURABILITY_CONFIG, settings.durability],
    [RACK_AWARE_CONFIG, String(settings.rackAwareAssignment)],
  ];
}

export interface SettingDifference {
  readonly name: string;
  readonly ours: string;
  readonly cluster: string | null;
}

/** Where a node's settings differ from the cluster's, which are what holds: worth a warning. */
export function differingSettings(image: MetadataImage, settings: ClusterSettings): readonly SettingDifference[] {
  return clusterSettingsAsConfigs(settings)
    .map(([name, ours]) => ({ name, ours, cluster: clusterConfigText(image, name) }))
    .filter(({ ours, cluster }) => ours !== cluster);
}

/** Makes an empty log a cluster. Done again with the same id it does nothing; a cluster never takes another id. */
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
    { kind: 'featureLevel', name: METADATA_VERSION_FEATURE, level: METADATA_VERSION },
    ...clusterSettingsAsConfigs(settings).map(([name, value]): MetadataRecord => ({
      kind: 'config',
      resourceType: 4,
      resourceName: '',
      name,
      value,
    })),
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
