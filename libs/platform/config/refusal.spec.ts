import { describe, expect, it } from 'vitest';
import { type ConfigLayer, resolveConfig } from './resolve-config';
import { ALL_SETTINGS, type AnySetting, type SettingName } from './schema';

/** For each setting that is not built yet, a value that is right by itself. */
const OTHER_VALUES: ReadonlyMap<SettingName, unknown> = new Map<SettingName, unknown>([
  ['seed_nodes', ['192.168.1.1:9093']],
  ['bootstrap', 'never'],
  ['default_replication_factor', 3],
  ['min_insync_replicas', 2],
  ['unclean_leader_election', true],
  ['heartbeat_interval_ms', 400],
  ['election_timeout_min_ms', 1_100],
  ['election_timeout_max_ms', 2_100],
  ['purge_batch_size', 200],
  ['max_payload_entries', 50],
  ['inter_broker_tls.enabled', true],
  ['inter_broker_tls.cert_path', '/tls/node.pem'],
  ['inter_broker_tls.key_path', '/tls/node.key'],
  ['inter_broker_tls.ca_cert_path', '/tls/ca.pem'],
  ['inter_broker_tls.verify_peer', false],
  ['inter_broker_tls.min_version', '1.3'],
  ['rack_id', 'eu-1a'],
  ['rack_aware_assignment', false],
]);

function layerOf(name: SettingName, raw: unknown): ConfigLayer {
  return new Map([[name, { raw, origin: { kind: 'flag', flag: `--${name}` } }]]);
}

const unbuilt: readonly AnySetting[] = ALL_SETTINGS.filter(({ notYet }) => notYet !== undefined);

describe('settings without an effect', () => {
  it('refuses every setting that has no effect yet, saying why and what to do', () => {
    expect(new Set(unbuilt.map(({ name }) => name))).toEqual(new Set(OTHER_VALUES.keys()));
    for (const setting of unbuilt) {
      const layers = [layerOf(setting.name, OTHER_VALUES.get(setting.name))];
      if (setting.name === 'min_insync_replicas') layers.push(layerOf('default_replication_factor', 3));
      const problem = resolveConfig(layers).problems.find(({ subject }) => subject === setting.name);
      expect(problem?.message, setting.name).toMatch(
        /^has no effect yet: .*(not built yet|nothing to tune yet).*\. (Leave|Start|Use) /s,
      );
      expect(problem?.given?.origin).toEqual({ kind: 'flag', flag: `--${setting.name}` });
    }
  });

  it('takes their defaults, written out', () => {
    for (const setting of unbuilt) {
      const { config } = resolveConfig([]);
      const text = setting.kind.format(config[setting.key]);
      if (config[setting.key] === undefined) continue;
      expect(resolveConfig([layerOf(setting.name, setting.kind.fromText(text))]).problems, setting.name).toEqual([]);
    }
  });

  it('takes one controller address and refuses several', () => {
    const one = resolveConfig([layerOf('controller_addrs', ['a:9093'])]);
    const two = resolveConfig([layerOf('controller_addrs', ['a:9093', 'b:9093'])]);
    expect(one.problems).toEqual([]);
    expect(two.problems.map(({ subject, message }) => [subject, message])).toEqual([
      ['controller_addrs', expect.stringMatching(/has no effect yet: .*Name the one controller/)],
    ]);
  });
});
