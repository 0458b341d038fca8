import { ErrorCode } from '../types/error-code';
import type { BrokerEpoch, ClusterId, DirectoryId, MetadataIndex, NodeId } from '../types/ids';
import { isUuidText } from '../types/ids';
import type { Decision, Failure } from './decision';
import { answerOnly, failure, splitRecords } from './decision';
import { departuresOf, leadersForLeaderless } from './elections';
import type { SupportedFeature } from './features';
import { MetadataVersion, metadataVersion, unsupportedFinalized } from './features';
import type { BrokerImage, BrokerState, Endpoint, MetadataImage } from './image';
import type { Departure } from './leadership';
import type { MetadataRecord } from './records';

/** Most listeners that a broker registers. */
const ENDPOINTS_MAX = 16;
/** Most features that a broker registers. */
const FEATURES_MAX = 64;
/** Longest host, rack or incarnation id, in characters. */
const TEXT_LENGTH_MAX = 255;

export interface RegisterBroker {
  readonly brokerId: NodeId;
  /** New at each start of the process. */
  readonly incarnationId: string;
  readonly clusterId: ClusterId;
  readonly directoryId: DirectoryId;
  readonly endpoints: readonly Endpoint[];
  readonly rack: string | undefined;
  /** The levels of features that it supports; none where its version is older than telling them. */
  readonly features: readonly SupportedFeature[];
  /** Epoch of the last clean stop, -1 after an unclean one. */
  readonly previousBrokerEpoch: number;
  /** The machine was not restarted since, so that its page cache survived (P-1). */
  readonly sameBoot: boolean;
  /** Nothing was found where it keeps its logs. */
  readonly storageIsNew: boolean;
}

export type RegistrationAnswer =
  | { readonly error: Failure }
  | {
      readonly error: undefined;
      readonly brokerEpoch: BrokerEpoch;
      /** Partitions whose acknowledged records may have been lost with a page cache or a disk (P-2, R-6). */
      readonly possiblyLost: number;
    };

/**
 * Registers an incarnation of a broker. Its partitions lose it as leader before the new epoch stands, and get it back, with
 * a new leader epoch, when it is unfenced: so that no (epoch, offset) is ever handed out twice. The broker epoch is an
 * index of the log that is not used yet, so that it grows with every registration (KIP-903).
 */
export function registerBroker(
  image: MetadataImage,
  command: RegisterBroker,
  nextIndex: MetadataIndex,
): Decision<RegistrationAnswer> {
  const { brokerId, incarnationId, directoryId, endpoints, rack, features } = command;
  const known = image.brokers.get(brokerId);
  const error = registrationFailure(image, command, known);
  if (error !== undefined) return answerOnly({ error });
  if (known !== undefined && known.incarnationId === incarnationId && sameRegistration(known, command)) {
    return answerOnly({ error: undefined, brokerEpoch: known.epoch, possiblyLost: 0 });
  }
  const { records, possiblyLost } =
    known === undefined
      ? { records: [], possiblyLost: 0 }
      : departuresOf(image, brokerId, departureAtRegistration(known, command));
  const departures = splitRecords(records);
  const brokerEpoch = (nextIndex + departures.length) as number as BrokerEpoch;
  const registration: MetadataRecord = {
    kind: 'registerBroker',
    brokerId,
    brokerEpoch,
    incarnationId,
    directoryId,
    endpoints,
    rack,
    // Only what the finalized level has: an older version that reads it would lose it again.
    features: metadataVersion(image) >= MetadataVersion.SUPPORTED_FEATURES && features.length > 0 ? features : undefined,
    fenced: true,
  };
  return { entries: [...departures, [registration]], answer: { error: undefined, brokerEpoch, possiblyLost } };
}

function departureAtRegistration(known: BrokerImage, command: RegisterBroker): (config: { flushMessages: number }) => Departure {
  if (known.directoryId !== command.directoryId || command.storageIsNew) return () => 'new-disk';
  const pageCacheLost = command.previousBrokerEpoch !== known.epoch && !command.sameBoot;
  return ({ flushMessages }) => (pageCacheLost && flushMessages > 1 ? 'unclean' : 'restarted');
}

function registrationFailure(image: MetadataImage, command: RegisterBroker, known: BrokerImage | undefined): Failure | undefined {
  if (image.clusterId !== command.clusterId) {
    return failure(
      ErrorCode.INCONSISTENT_CLUSTER_ID,
      `This is cluster ${image.clusterId ?? '(none yet)'}, but broker ${command.brokerId} belongs to cluster '${command.clusterId}'.`,
    );
  }
  if (!Number.isInteger(command.brokerId) || command.brokerId < 1) {
    return failure(ErrorCode.INVALID_REGISTRATION, `Broker id ${command.brokerId} is not valid: it must be above 0.`);
  }
  if (command.incarnationId === '' || command.incarnationId.length > TEXT_LENGTH_MAX) {
    return failure(
      ErrorCode.INVALID_REGISTRATION,
      `A registration needs an incarnation id of at most ${TEXT_LENGTH_MAX} characters.`,
    );
  }
  if ((command.rack?.length ?? 0) > TEXT_LENGTH_MAX) {
    return failure(ErrorCode.INVALID_REGISTRATION, `A rack's name has at most ${TEXT_LENGTH_MAX} characters.`);
  }
  if (!isUuidText(command.directoryId)) {
    return failure(
      ErrorCode.INVALID_REGISTRATION,
      `'${command.directoryId}' is no directory id (22 characters of url-safe base64).`,
    );
  }
  const unsupported = unsupportedFinalized(image, command.features);
  if (unsupported !== undefined) {
    return failure(ErrorCode.UNSUPPORTED_VERSION, `Broker ${command.brokerId} cannot register: ${unsupported}.`);
  }
  const fault = endpointsFault(command.endpoints) ?? featuresFault(command.features);
  if (fault !== undefined) return failure(ErrorCode.INVALID_REGISTRATION, fault);
  for (const other of image.brokers.values()) {
    if (other.id !== command.brokerId && other.directoryId === command.directoryId) {
      return failure(
        ErrorCode.INVALID_REGISTRATION,
        `Directory ${command.directoryId} belongs to broker ${other.id}: a copied data directory cannot serve as broker ${command.brokerId}.`,
      );
    }
  }
  // One directory is locked by one process: the same directory again means that the process before is gone.
  if (known !== undefined && !known.fenced && known.directoryId !== command.directoryId) {
    return failure(
      ErrorCode.DUPLICATE_BROKER_REGISTRATION,
      `Another broker with id ${known.id} is alive on another disk. If that one is gone, try again when its session has ended.`,
    );
  }
  return undefined;
}

function endpointsFault(endpoints: readonly Endpoint[]): string | undefined {
  if (endpoints.length > ENDPOINTS_MAX) return `A broker registers at most ${ENDPOINTS_MAX} listeners, not ${endpoints.length}.`;
  const names = new Set(endpoints.map(({ name }) => name));
  if (names.size !== endpoints.length) return 'A registration names a listener twice.';
  const bad = endpoints.find(
    ({ host, port }) => host === '' || host.length > TEXT_LENGTH_MAX || !Number.isInteger(port) || port < 1 || port > 65_535,
  );
  return bad === undefined ? undefined : `Listener ${bad.name} has no valid address: '${bad.host}:${bad.port}'.`;
}

function featuresFault(features: readonly SupportedFeature[]): string | undefined {
  if (features.length > FEATURES_MAX) return `A broker registers at most ${FEATURES_MAX} features, not ${features.length}.`;
  const isLevel = (level: number): boolean => Number.isInteger(level) && level >= 0;
  const bad = features.find(
    ({ name, minLevel, maxLevel }) =>
      name === '' || name.length > TEXT_LENGTH_MAX || !isLevel(minLevel) || !isLevel(maxLevel) || minLevel > maxLevel,
  );
  return bad === undefined ? undefined : `Feature '${bad.name}' has no range of levels: ${bad.minLevel} to ${bad.maxLevel}.`;
}

function sameRegistration(known: BrokerImage, { directoryId, rack, endpoints }: RegisterBroker): boolean {
  const address = ({ name, host, port }: Endpoint): string => `${name}=${host}:${port}`;
  return (
    known.directoryId === directoryId &&
    known.rack === rack &&
    known.endpoints.map(address).join() === endpoints.map(address).join()
  );
}

export interface BrokerHeartbeat {
  readonly brokerId: NodeId;
  readonly brokerEpoch: BrokerEpoch;
  /** How far the broker has followed the metadata. */
  readonly appliedMetadataIndex: MetadataIndex;
  readonly wantFence: boolean;
  readonly wantShutdown: boolean;
}

export type HeartbeatAnswer =
  { readonly error: Failure } | { readonly error: undefined; readonly isFenced: boolean; readonly shouldShutDown: boolean };

/**
 * One sign of life. Fences a broker that asks for it or wants to stop (its leaderships move first), and unfences one that
 * has seen its own registration. Mostly changes nothing.
 */
export function brokerHeartbeat(image: MetadataImage, command: BrokerHeartbeat): Decision<HeartbeatAnswer> {
  const known = registered(image, command.brokerId, command.brokerEpoch);
  if ('errorCode' in known) return answerOnly({ error: known });
  if (command.wantShutdown || known.state === 'ShuttingDown') {
    const answer: HeartbeatAnswer = { error: undefined, isFenced: true, shouldShutDown: true };
    return known.state === 'ShuttingDown' && known.fenced
      ? answerOnly(answer)
      : { entries: fencing(image, known, 'ShuttingDown'), answer };
  }
  if (command.wantFence) {
    const answer: HeartbeatAnswer = { error: undefined, isFenced: true, shouldShutDown: false };
    return known.fenced ? answerOnly(answer) : { entries: fencing(image, known, 'Starting'), answer };
  }
  if (!known.fenced) return answerOnly({ error: undefined, isFenced: false, shouldShutDown: false });
  const caughtUp = (command.appliedMetadataIndex as number) >= known.epoch;
  if (!caughtUp) return answerOnly({ error: undefined, isFenced: true, shouldShutDown: false });
  const elections = splitRecords(leadersForLeaderless(image, {}, known.id));
  return {
    entries: [[stateRecord(known, 'Running', false)], ...elections],
    answer: { error: undefined, isFenced: false, shouldShutDown: false },
  };
}

/**
 * The broker of this epoch was silent for too long, or its process is known to be gone: it is Dead, and others lead its
 * partitions where they can. One that is heard of again, or registers, is back; a later incarnation is not meant.
 */
export function brokerGone(
  image: MetadataImage,
  brokerId: NodeId,
  brokerEpoch: BrokerEpoch,
): Decision<{ readonly isNews: boolean; readonly wasLeaving: boolean }> {
  const known = image.brokers.get(brokerId);
  if (known === undefined || known.epoch !== brokerEpoch || known.state === 'Dead') {
    return answerOnly({ isNews: false, wasLeaving: false });
  }
  const wasLeaving = known.state === 'ShuttingDown';
  return { entries: fencing(image, known, 'Dead'), answer: { isNews: true, wasLeaving } };
}

/**
 * Forgets a broker (KIP-631): it leaves the ISR and the eligible replicas of its partitions, and stays in their replica
 * lists. As in Apache Kafka it need not have stopped; one that lives registers again. Its copies count for an election only
 * where it is the sole last known leader, since nobody can tell what disk comes back under its id.
 */
export function unregisterBroker(image: MetadataImage, brokerId: NodeId): Decision<Failure | undefined> {
  const known = image.brokers.get(brokerId);
  if (known === undefined) return answerOnly(notRegistered(brokerId));
  const { records } = departuresOf(image, brokerId, () => 'unclean');
  const gone: MetadataRecord = { kind: 'unregisterBroker', brokerId, brokerEpoch: known.epoch };
  return { entries: [...splitRecords(records), [gone]], answer: undefined };
}

function notRegistered(brokerId: NodeId): Failure {
  return failure(ErrorCode.BROKER_ID_NOT_REGISTERED, `No broker with id ${brokerId} is registered.`);
}

/** The broker of this epoch, or the reason why it must not act. */
export function registered(image: MetadataImage, brokerId: NodeId, brokerEpoch: BrokerEpoch): BrokerImage | Failure {
  const known = image.brokers.get(brokerId);
  if (known === undefined) return notRegistered(brokerId);
  if (known.epoch !== brokerEpoch) {
    return failure(ErrorCode.STALE_BROKER_EPOCH, `Broker ${brokerId} has epoch ${known.epoch} by now, not ${brokerEpoch}.`);
  }
  return known;
}

/** Leaderships go first, the state last: no entry in between shows a fenced leader. */
function fencing(image: MetadataImage, broker: BrokerImage, state: BrokerState): readonly (readonly MetadataRecord[])[] {
  const { records } = departuresOf(image, broker.id, () => 'fenced');
  return [...splitRecords(records), [stateRecord(broker, state, true)]];
}

function stateRecord(broker: BrokerImage, state: BrokerState, fenced: boolean): MetadataRecord {
  return { kind: 'brokerState', brokerId: broker.id, brokerEpoch: broker.epoch, state, fenced };
}
