import { resolveConfig } from '@streamline/platform/config/resolve-config';
import { ALL_SETTINGS, type NodeConfig, type SettingName } from '@streamline/platform/config/schema';

/** Settings by their names, each with a value as a file would hold it. */
export type GivenSettings = Readonly<Partial<Record<SettingName, unknown>>>;

export interface UnlikeDefaults {
  readonly config: NodeConfig;
  /**
   * Of the settings that the code under test has looked at so far, those that have their default; without those of TLS, which are
   * the process's and have specs of their own.
   */
  forgotten(...exempt: readonly SettingName[]): SettingName[];
}

/**
 * A configuration for a spec that observes what the settings of a service do: it has to give each setting that the service
 * reads another value than its default, so that none can be read and then be left unused without a test that fails.
 *
 * @throws Error that says which settings are refused
 */
export function unlikeDefaults(given: GivenSettings): UnlikeDefaults {
  const { config, problems } = resolveConfig([layerOf(given)]);
  if (problems.length > 0) throw new Error(problems.map(({ subject, message }) => `${subject} ${message}`).join('; '));
  const defaults = resolveConfig([]).config;
  const read = new Set<PropertyKey>();
  const watched = new Proxy(config, {
    get: (target, key) => {
      read.add(key);
      return Reflect.get(target, key) as unknown;
    },
  });
  const isDefault = (key: keyof NodeConfig): boolean => JSON.stringify(config[key]) === JSON.stringify(defaults[key]);
  return {
    config: watched,
    forgotten: (...exempt) =>
      ALL_SETTINGS.filter(({ key }) => read.has(key) && isDefault(key))
        .map(({ name }) => name)
        .filter((name) => !name.startsWith('inter_broker_tls.') && !exempt.includes(name)),
  };
}

function layerOf(given: GivenSettings) {
  const settings = Object.entries(given) as [SettingName, unknown][];
  return new Map(settings.map(([name, raw]) => [name, { raw, origin: { kind: 'default' as const } }]));
}
