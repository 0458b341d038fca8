import { BROKER_SETTINGS } from './settings-broker';
import { CLUSTER_SETTINGS } from './settings-cluster';
import { NODE_SETTINGS } from './settings-node';
import type { Setting } from './setting';

/**
 * Every setting of a node, by its name in a file (`inter_broker_tls.cert_path` is a key in a table there). Flags,
 * environment variables, file keys, help, the docs page and the types below all come from here.
 */
export const SETTINGS = { ...NODE_SETTINGS, ...CLUSTER_SETTINGS, ...BROKER_SETTINGS } as const;

export type SettingName = keyof typeof SETTINGS;

type ValueOf<S> = S extends Setting<infer T> ? T : never;

type Camel<Name extends string> = Name extends `${infer Head}.${infer Tail}`
  ? `${Camel<Head>}${Capitalize<Camel<Tail>>}`
  : Name extends `${infer Head}_${infer Tail}`
    ? `${Head}${Capitalize<Camel<Tail>>}`
    : Name;

/** What a node runs with: `node_id` is `nodeId`, `inter_broker_tls.cert_path` is `interBrokerTlsCertPath`. */
export type NodeConfig = { readonly [Name in SettingName as Camel<Name>]: ValueOf<(typeof SETTINGS)[Name]> };

export type ConfigKey = keyof NodeConfig;

/** A setting seen without its value's type: for code that treats all of them alike. */
export interface AnySetting extends Setting<unknown> {
  readonly name: SettingName;
  readonly key: ConfigKey;
  /** With dashes in front; the first is the one to show. */
  readonly flagNames: readonly [string, ...string[]];
  /** The first is the one to show. */
  readonly envNames: readonly [string, ...string[]];
}

function envName(name: string): string {
  return `STREAMLINE_${name.toUpperCase().replace(/[.-]/g, '_')}`;
}

function camel(name: string): string {
  return name.replace(/[_.](\w)/g, (_, letter: string) => letter.toUpperCase());
}

function describe(name: string, definition: Setting<unknown>): AnySetting {
  const aliases = definition.flagAliases ?? [];
  const flag = definition.flag ?? name.replace(/[_.]/g, '-');
  const otherEnvNames = [flag, ...aliases].map(envName).filter((other) => other !== envName(name));
  return {
    ...definition,
    name: name as SettingName,
    key: camel(name) as ConfigKey,
    flagNames: [`--${flag}`, ...aliases.map((alias) => `--${alias}`)],
    envNames: [envName(name), ...new Set(otherEnvNames)],
  };
}

/** All settings, in the order of help and docs. */
export const ALL_SETTINGS: readonly AnySetting[] = Object.entries(SETTINGS).map(([name, definition]) =>
  describe(name, definition),
);
