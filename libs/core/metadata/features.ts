import type { MetadataImage } from './image';

/** The feature whose level gates what is written to the metadata log. */
export const METADATA_VERSION_FEATURE = 'metadata.version';

/** Our levels of `metadata.version`, by what came with each. */
export const MetadataVersion = {
  FIRST: 1,
  /** A broker's registration tells which levels of features it supports. */
  SUPPORTED_FEATURES: 2,
  /** A partition tells which replicas are added, removed, or have a log that failed. */
  MOVING_REPLICAS: 2,
} as const;

/** Levels of a feature, ours, that a node writes and reads. */
export interface SupportedFeature {
  readonly name: string;
  readonly minLevel: number;
  readonly maxLevel: number;
}

/** A feature that this software has. Only what is built is here. */
interface Feature extends SupportedFeature {
  /**
   * What clients are told for each level of ours from 1 on (KIP-584): those of Apache Kafka that end with 4.4's, since the newest
   * of ours serves clients as 4.4 does.
   */
  readonly kafkaLevels: readonly number[];
}

/** Set by `tools/build.mjs --metadata-version-max` alone: a build for specs of upgrades, which knows no newer level. */
declare const STREAMLINE_METADATA_VERSION_MAX: number | undefined;

const NEWEST_KNOWN =
  typeof STREAMLINE_METADATA_VERSION_MAX === 'undefined' ? MetadataVersion.SUPPORTED_FEATURES : STREAMLINE_METADATA_VERSION_MAX;

const FEATURES: readonly Feature[] = [
  { name: METADATA_VERSION_FEATURE, minLevel: MetadataVersion.FIRST, maxLevel: NEWEST_KNOWN, kafkaLevels: [32, 33] },
];

/** What this software supports; brokers register it. */
export const OUR_FEATURES: readonly SupportedFeature[] = FEATURES.map(({ name, minLevel, maxLevel }) => ({
  name,
  minLevel,
  maxLevel,
}));

/** What a node supports that tells nothing: it is of a version from before nodes did. */
const UNTOLD: readonly SupportedFeature[] = [
  { name: METADATA_VERSION_FEATURE, minLevel: MetadataVersion.FIRST, maxLevel: MetadataVersion.FIRST },
];

/** What the log of a new cluster finalizes. */
export const NEW_CLUSTER_FEATURES: readonly { readonly name: string; readonly level: number }[] = FEATURES.map(
  ({ name, maxLevel }) => ({ name, level: maxLevel }),
);

/** The level that gates what is written; 0 where there is no cluster yet. */
export function metadataVersion({ features }: Pick<MetadataImage, 'features'>): number {
  return features.get(METADATA_VERSION_FEATURE) ?? 0;
}

/** Why the log can't be read where it has this feature at this level; undefined: it can. Level 0: without it. */
export function unknownFeatureLevel(name: string, level: number): string | undefined {
  if (level === 0) return undefined;
  const feature = FEATURES.find((each) => each.name === name);
  if (feature === undefined) return `the feature ${name}`;
  if (level <= feature.maxLevel) return undefined;
  return `the feature ${name} at level ${level} (this version knows levels up to ${feature.maxLevel})`;
}

/** What a node supports that tells this. */
export function supportedBy(told: readonly SupportedFeature[]): readonly SupportedFeature[] {
  return told.length === 0 ? UNTOLD : told;
}

/** Why a node that tells this of what it supports can't take part; undefined: it can. */
export function unsupportedFinalized(
  { features }: Pick<MetadataImage, 'features'>,
  told: readonly SupportedFeature[],
): string | undefined {
  for (const [name, level] of features) {
    const range = supportedBy(told).find((each) => each.name === name);
    if (range !== undefined && range.minLevel <= level && level <= range.maxLevel) continue;
    const its =
      range === undefined ? 'does not have that feature' : `supports levels ${range.minLevel} to ${range.maxLevel} of it`;
    return `this cluster has finalized ${name} at level ${level}, but the node's version of Streamline ${its}: start a version that supports level ${level}`;
  }
  return undefined;
}

/** A feature with the lowest and the highest level, in Kafka's numbers. */
export interface FeatureRange {
  readonly name: string;
  readonly min: number;
  readonly max: number;
}

/** What this software could run with. */
export function supportedFeatures(): readonly FeatureRange[] {
  return OUR_FEATURES.map(inKafkaLevels);
}

/** What the cluster runs with, by its log. */
export function finalizedFeatures(image: Pick<MetadataImage, 'features'>): readonly FeatureRange[] {
  return FEATURES.flatMap(({ name }) => {
    const level = image.features.get(name);
    return level === undefined ? [] : [inKafkaLevels({ name, minLevel: level, maxLevel: level })];
  });
}

/** The same in the levels that clients are told; a level of a newer version is told as one above all that we know. */
export function inKafkaLevels({ name, minLevel, maxLevel }: SupportedFeature): FeatureRange {
  const kafkaLevels = FEATURES.find((each) => each.name === name)?.kafkaLevels ?? [];
  const told = (level: number): number => kafkaLevels[level - 1] ?? level - kafkaLevels.length + (kafkaLevels.at(-1) ?? 0);
  return { name, min: told(minLevel), max: told(maxLevel) };
}

/** Our level for one of Kafka's; undefined where there is none. */
export function fromKafkaLevel(name: string, kafkaLevel: number): number | undefined {
  const at = FEATURES.find((each) => each.name === name)?.kafkaLevels.indexOf(kafkaLevel) ?? -1;
  return at < 0 ? undefined : at + 1;
}
