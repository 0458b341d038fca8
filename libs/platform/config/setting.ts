import type { Address } from './address';
import type { Profile, RoleName } from './roles';
import type { ValueKind } from './value-kind';

/** The settings that defaults of others are made from. */
export interface DefaultInputs {
  readonly profile: Profile;
  readonly roles: readonly RoleName[];
  readonly listenAddr: Address;
  readonly advertisedAddr: Address;
  readonly interBrokerAddr: Address;
}

export type SectionName =
  | 'Node'
  | 'Addresses'
  | 'Cluster'
  | 'Replication'
  | 'Raft'
  | 'Metadata snapshots'
  | 'Inter-broker TLS'
  | 'Racks'
  | 'Storage'
  | 'Topics'
  | 'Groups'
  | 'Limits'
  | 'Logging';

/** One setting: the only place where its name, values, default, words and proof are written down. */
export interface Setting<T> {
  readonly kind: ValueKind<T>;
  readonly section: SectionName;
  /** One or two sentences for help and docs. */
  readonly doc: string;
  defaultOf(inputs: DefaultInputs): T;
  /** For docs and help, where the default is not one fixed value. */
  readonly defaultDoc?: string;
  /** The flag's name without dashes in front, where it is not made from the setting's name. */
  readonly flag?: string;
  /** Other names of the flag. */
  readonly flagAliases?: readonly string[];
  /** `cluster`: seeds the cluster's metadata when that is bootstrapped; afterwards the metadata's value holds. */
  readonly scope?: 'cluster';
  /** Only by flag or environment: a file cannot say which file to read. */
  readonly notInFile?: boolean;
  /** Why a value that is right by itself is refused, and what to do, where it has no effect yet; undefined: taken. */
  refusal?(value: T): string | undefined;
  /** `path/of.spec.ts#title of the test` that observes the effect or the refusal; config.spec.ts checks that it exists. */
  readonly provedBy: string;
}

/** Infers a setting's value type from its kind. */
export function setting<T>(
  definition: Omit<Setting<T>, 'defaultOf'> & { defaultOf(inputs: DefaultInputs): NoInfer<T> },
): Setting<T> {
  return definition;
}

export function always<const T>(value: T): () => T {
  return () => value;
}
