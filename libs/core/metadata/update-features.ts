import { ErrorCode } from '../types/error-code';
import type { NodeId } from '../types/ids';
import type { BrokerSessions } from './broker-sessions';
import type { Decision, Failure } from './decision';
import { answerOnly, failure } from './decision';
import type { FeatureRange, SupportedFeature } from './features';
import { fromKafkaLevel, inKafkaLevels, METADATA_VERSION_FEATURE, OUR_FEATURES, supportedBy } from './features';
import type { MetadataImage } from './image';
import type { MetadataRecord } from './records';

/** Kafka's upgrade types. */
const UpgradeType = { UPGRADE: 1, SAFE_DOWNGRADE: 2, UNSAFE_DOWNGRADE: 3 } as const;

export interface FeatureUpdate {
  readonly name: string;
  /** In Kafka's numbers; 0 takes the feature away. */
  readonly kafkaLevel: number;
  /** Kafka's number. */
  readonly upgradeType: number;
}

export interface UpdateFeatures {
  readonly updates: readonly FeatureUpdate[];
  readonly validateOnly: boolean;
}

/** A node that has to support what is finalized. */
export interface NodeSupport {
  /** Such as "Broker 2" or "Controller 3". */
  readonly node: string;
  /** undefined: nobody knows. */
  readonly features: readonly SupportedFeature[] | undefined;
}

/**
 * What every node supports beside the one that decides: registered brokers, alive or not, by what they last said or by their
 * registration, and controllers (`controllers`: the other members of the consensus), each as the broker of its node.
 */
export function supportOfNodes(
  image: MetadataImage,
  sessions: Pick<BrokerSessions, 'featuresOf'>,
  controllers: readonly NodeId[],
): readonly NodeSupport[] {
  const featuresOf = (id: NodeId): NodeSupport['features'] => {
    const broker = image.brokers.get(id);
    return broker && (sessions.featuresOf(broker) ?? broker.features);
  };
  return [
    ...[...image.brokers.keys()].map((id) => ({ node: `Broker ${id}`, features: featuresOf(id) })),
    ...controllers.map((id) => ({ node: `Controller ${id}`, features: featuresOf(id) })),
  ];
}

/**
 * Raises features that every node supports, all or none (KIP-584, KIP-1022). Errors and their texts are Kafka's. Nothing is
 * lowered: what a level brought may be in the log, and an older version could not read it.
 */
export function updateFeatures(
  image: MetadataImage,
  { updates, validateOnly }: UpdateFeatures,
  nodes: readonly NodeSupport[],
): Decision<Failure | undefined> {
  const records: MetadataRecord[] = [];
  if (new Set(updates.map(({ name }) => name)).size !== updates.length) {
    return answerOnly(failure(ErrorCode.INVALID_REQUEST, 'A feature is in the request more than once.'));
  }
  for (const update of updates) {
    const reason = refusal(image, update, nodes);
    if (reason !== undefined) {
      const what = `Invalid update version ${update.kafkaLevel} for feature ${update.name}. ${reason}`;
      const message = `The update failed for all features since the following feature had an error: ${what}`;
      return answerOnly(failure(ErrorCode.INVALID_UPDATE_VERSION, message));
    }
    const level = fromKafkaLevel(update.name, update.kafkaLevel);
    if (level === undefined || level === image.features.get(update.name)) continue;
    records.push({ kind: 'featureLevel', name: update.name, level });
  }
  return { entries: validateOnly || records.length === 0 ? [] : [records], answer: undefined };
}

function refusal(image: MetadataImage, update: FeatureUpdate, nodes: readonly NodeSupport[]): string | undefined {
  const { name, kafkaLevel, upgradeType } = update;
  if (!Object.values<number>(UpgradeType).includes(upgradeType)) return 'The controller does not support the given upgrade type.';
  if (kafkaLevel < 0) return 'A feature version cannot be less than 0.';
  const unsupported = notSupported(update, [{ node: 'Local controller', features: OUR_FEATURES }, ...nodes]);
  if (unsupported !== undefined) return unsupported;
  const level = fromKafkaLevel(name, kafkaLevel) ?? 0;
  const current = image.features.get(name) ?? 0;
  if (level > current && upgradeType !== UpgradeType.UPGRADE) return "Can't downgrade to a newer version.";
  if (level >= current) return undefined;
  switch (upgradeType) {
    case UpgradeType.SAFE_DOWNGRADE:
      return 'Refusing to perform the requested downgrade because it might delete metadata information.';
    case UpgradeType.UNSAFE_DOWNGRADE:
      return `Unsafe ${name === METADATA_VERSION_FEATURE ? 'metadata ' : ''}downgrade is not supported in this version.`;
    default:
      return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.";
  }
}

function notSupported({ name, kafkaLevel }: FeatureUpdate, nodes: readonly NodeSupport[]): string | undefined {
  for (const { node, features } of nodes) {
    if (features === undefined) {
      return `${node} has not told which features it supports, and may not support this one: it does not run, or has just begun to. Start it, or take it out of the cluster.`;
    }
    const range = supportedBy(features).find((each) => each.name === name);
    if (range === undefined) return `${node} does not support this feature.`;
    const told = inKafkaLevels(range);
    if (kafkaLevel < told.min || kafkaLevel > told.max) return `${node} only supports versions ${rangeText(told)}`;
  }
  return undefined;
}

function rangeText({ min, max }: FeatureRange): string {
  return min === max ? String(min) : `${min}-${max}`;
}
