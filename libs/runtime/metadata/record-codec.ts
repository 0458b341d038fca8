import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { unknownFeatureLevel } from '@streamline/core/metadata/features';
import type { BrokerState, ConfigResourceType, Endpoint, ListenerName } from '@streamline/core/metadata/image';
import type {
  MetadataRecord,
  PartitionChangeRecord,
  PartitionRecord,
  RegisterBrokerRecord,
} from '@streamline/core/metadata/records';
import type {
  BrokerEpoch,
  ClusterId,
  DirectoryId,
  LeaderEpoch,
  NodeId,
  PartitionIndex,
  TopicId,
} from '@streamline/core/types/ids';
import type {
  BrokerEndpoint,
  FeatureLevelRecord,
  Int32List,
  PartitionChangeRecord as WirePartitionChange,
  PartitionRecord as WirePartition,
  RegisterBrokerRecord as WireRegistration,
} from '@streamline/wire/contracts/generated/streamline/metadata/v1/metadata';
import {
  BrokerState as WireBrokerState,
  MetadataRecord as Wire,
} from '@streamline/wire/contracts/generated/streamline/metadata/v1/metadata';

type WireRecord = NonNullable<Wire['record']>;

/** A record that this version does not know: it must stop, since skipping would make its metadata another cluster's. */
export class UnknownRecordError extends Error {
  override readonly name = 'UnknownRecordError';

  constructor(what: string) {
    super(
      `The metadata log holds ${what}, which this version of Streamline does not know. ` +
        'A newer version wrote it: start that version (or a newer one) on this data directory.',
    );
  }
}

/** Stands for "nobody" on the wire; node ids begin at 1. */
const NO_LEADER = -1;

const STATES: readonly (readonly [BrokerState, WireBrokerState])[] = [
  ['Starting', WireBrokerState.STARTING],
  ['Running', WireBrokerState.RUNNING],
  ['ShuttingDown', WireBrokerState.SHUTTING_DOWN],
  ['Dead', WireBrokerState.DEAD],
];
const LISTENERS: readonly ListenerName[] = ['kafka', 'controller', 'storage', 'gateway', 'admin'];

/** One for all: a writer brings a buffer outside of the heap, and a start encodes a record for each partition twice. */
const writer = new BinaryWriter();

/** streamline.metadata.v1.MetadataRecord, encoded. */
export function encodeRecord(record: MetadataRecord): Uint8Array {
  try {
    return Wire.encode({ record: toWire(record) }, writer).finish();
  } catch (error) {
    // It begins anew, and what it has half written is nobody's.
    writer.finish();
    throw error;
  }
}

/** Fails with UnknownRecordError for a record of a newer version, and with a plain Error for bytes that are none. */
export function decodeRecord(bytes: Uint8Array): MetadataRecord {
  const { record } = Wire.decode(bytes);
  if (record === undefined) throw new UnknownRecordError(`a record of type ${firstFieldNumber(bytes)}`);
  return fromWire(record);
}

function toWire(record: MetadataRecord): WireRecord {
  switch (record.kind) {
    case 'cluster':
      return { $case: 'cluster', value: { clusterId: record.clusterId } };
    case 'featureLevel':
      return { $case: 'featureLevel', value: { name: record.name, level: record.level } };
    case 'registerBroker':
      return { $case: 'registerBroker', value: registrationToWire(record) };
    case 'brokerState':
      return { $case: 'brokerState', value: { ...record, state: stateToWire(record.state) } };
    case 'unregisterBroker':
      return { $case: 'unregisterBroker', value: { brokerId: record.brokerId, brokerEpoch: record.brokerEpoch } };
    case 'topic':
      return { $case: 'topic', value: { topicId: record.topicId, name: record.name } };
    case 'partition':
      return { $case: 'partition', value: partitionToWire(record) };
    case 'partitionChange':
      return { $case: 'partitionChange', value: partitionChangeToWire(record) };
    case 'removeTopic':
      return { $case: 'removeTopic', value: { topicId: record.topicId } };
    case 'config':
      return { $case: 'config', value: { ...record } };
    case 'producerIds':
      return { $case: 'producerIds', value: { ...record } };
  }
}

function registrationToWire(record: RegisterBrokerRecord): WireRegistration {
  const { endpoints, features = [], ...rest } = record;
  return { ...rest, endpoints: endpoints.map((each) => ({ ...each })), features: features.map((each) => ({ ...each })) };
}

function registrationFromWire(value: WireRegistration): RegisterBrokerRecord {
  const { brokerId, brokerEpoch, incarnationId, directoryId, endpoints, rack, features, fenced } = value;
  return {
    kind: 'registerBroker',
    ...broker(brokerId, brokerEpoch),
    incarnationId,
    directoryId: directoryId as DirectoryId,
    endpoints: endpoints.map(endpointFromWire),
    rack,
    features: features.length === 0 ? undefined : features,
    fenced,
  };
}

function partitionToWire(record: PartitionRecord): WirePartition {
  return {
    topicId: record.topicId,
    partition: record.partition,
    replicas: [...record.replicas],
    isr: [...record.isr],
    elr: [...record.elr],
    lastKnownElr: [...record.lastKnownElr],
    addingReplicas: [...record.addingReplicas],
    removingReplicas: [...record.removingReplicas],
    failedReplicas: [...record.failedReplicas],
    leader: record.leader ?? NO_LEADER,
    leaderEpoch: record.leaderEpoch,
    partitionEpoch: record.partitionEpoch,
  };
}

function partitionChangeToWire(record: PartitionChangeRecord): WirePartitionChange {
  const list = (nodes: readonly NodeId[] | undefined): Int32List | undefined => nodes && { values: [...nodes] };
  return {
    topicId: record.topicId,
    partition: record.partition,
    replicas: list(record.replicas),
    isr: list(record.isr),
    elr: list(record.elr),
    lastKnownElr: list(record.lastKnownElr),
    addingReplicas: list(record.addingReplicas),
    removingReplicas: list(record.removingReplicas),
    failedReplicas: list(record.failedReplicas),
    leader: record.leader === null ? NO_LEADER : record.leader,
    bumpLeaderEpoch: record.bumpLeaderEpoch,
  };
}

function featureFromWire({ name, level }: FeatureLevelRecord): MetadataRecord {
  const unknown = unknownFeatureLevel(name, level);
  if (unknown !== undefined) throw new UnknownRecordError(unknown);
  return { kind: 'featureLevel', name, level };
}

function fromWire(record: WireRecord): MetadataRecord {
  switch (record.$case) {
    case 'cluster':
      return { kind: 'cluster', clusterId: record.value.clusterId as ClusterId };
    case 'featureLevel':
      return featureFromWire(record.value);
    case 'registerBroker':
      return registrationFromWire(record.value);
    case 'brokerState': {
      const { brokerId, brokerEpoch, state, fenced } = record.value;
      return { kind: 'brokerState', ...broker(brokerId, brokerEpoch), state: stateFromWire(state), fenced };
    }
    case 'unregisterBroker':
      return { kind: 'unregisterBroker', ...broker(record.value.brokerId, record.value.brokerEpoch) };
    case 'topic':
      return { kind: 'topic', topicId: record.value.topicId as TopicId, name: record.value.name };
    case 'partition':
      return partitionFromWire(record.value);
    case 'partitionChange':
      return partitionChangeFromWire(record.value);
    case 'removeTopic':
      return { kind: 'removeTopic', topicId: record.value.topicId as TopicId };
    case 'config': {
      const { resourceType, resourceName, name, value } = record.value;
      return { kind: 'config', resourceType: resourceTypeFromWire(resourceType), resourceName, name, value };
    }
    case 'producerIds': {
      const { brokerId, brokerEpoch, nextProducerId } = record.value;
      return { kind: 'producerIds', ...broker(brokerId, brokerEpoch), nextProducerId };
    }
  }
}

function partitionFromWire(value: WirePartition): PartitionRecord {
  return {
    kind: 'partition',
    topicId: value.topicId as TopicId,
    partition: value.partition as PartitionIndex,
    replicas: value.replicas as NodeId[],
    isr: value.isr as NodeId[],
    elr: value.elr as NodeId[],
    lastKnownElr: value.lastKnownElr as NodeId[],
    addingReplicas: value.addingReplicas as NodeId[],
    removingReplicas: value.removingReplicas as NodeId[],
    failedReplicas: value.failedReplicas as NodeId[],
    leader: value.leader === NO_LEADER ? undefined : (value.leader as NodeId),
    leaderEpoch: value.leaderEpoch as LeaderEpoch,
    partitionEpoch: value.partitionEpoch,
  };
}

function partitionChangeFromWire(value: WirePartitionChange): PartitionChangeRecord {
  const list = (nodes: Int32List | undefined): readonly NodeId[] | undefined => nodes && (nodes.values as NodeId[]);
  return {
    kind: 'partitionChange',
    topicId: value.topicId as TopicId,
    partition: value.partition as PartitionIndex,
    replicas: list(value.replicas),
    isr: list(value.isr),
    elr: list(value.elr),
    lastKnownElr: list(value.lastKnownElr),
    addingReplicas: list(value.addingReplicas),
    removingReplicas: list(value.removingReplicas),
    failedReplicas: list(value.failedReplicas),
    leader: value.leader === undefined ? undefined : value.leader === NO_LEADER ? null : (value.leader as NodeId),
    bumpLeaderEpoch: value.bumpLeaderEpoch,
  };
}

function broker(brokerId: number, brokerEpoch: number): { brokerId: NodeId; brokerEpoch: BrokerEpoch } {
  return { brokerId: brokerId as NodeId, brokerEpoch: brokerEpoch as BrokerEpoch };
}

function endpointFromWire({ name, host, port }: BrokerEndpoint): Endpoint {
  return { name: listenerName(name), host, port };
}

/** Fails with UnknownRecordError for a listener that this version does not know. */
export function listenerName(name: string): ListenerName {
  const known = LISTENERS.find((each) => each === name);
  if (known === undefined) throw new UnknownRecordError(`a listener called '${name}'`);
  return known;
}

function resourceTypeFromWire(type: number): ConfigResourceType {
  if (type !== 2 && type !== 4) throw new UnknownRecordError(`configs of resource type ${type}`);
  return type;
}

function stateToWire(state: BrokerState): WireBrokerState {
  return STATES.find(([name]) => name === state)?.[1] ?? WireBrokerState.UNSPECIFIED;
}

function stateFromWire(state: WireBrokerState): BrokerState {
  const known = STATES.find(([, number]) => number === state);
  if (known === undefined) throw new UnknownRecordError(`broker state ${state}`);
  return known[0];
}

/** The number of the first field, which for a oneof names its case. */
function firstFieldNumber(bytes: Uint8Array): number {
  let tag = 0;
  for (let at = 0; at < Math.min(bytes.length, 5); at++) {
    const byte = bytes[at] ?? 0;
    tag += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) break;
  }
  return Math.floor(tag / 8);
}
