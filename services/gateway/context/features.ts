/** A feature that this software can run at any of these levels (KIP-584). Only what is built is here. */
export interface SupportedFeature {
  readonly name: string;
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** `metadata.version` 33 is Kafka 4.4's; older levels are not spoken. */
export const supportedFeatures: readonly SupportedFeature[] = [{ name: 'metadata.version', minVersion: 33, maxVersion: 33 }];
