import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultText } from './default-text';
import { configurationPage, exitCodesPage } from './docs';
import { ALL_SETTINGS, type SettingName } from './schema';
import { resolveConfig } from './resolve-config';

const ROOT = join(import.meta.dirname, '../../..');

/** The tables of the clustering guide, word for word: name and default. */
const GUIDE: readonly (readonly [SettingName, unknown])[] = [
  ['node_id', 1],
  ['advertised_addr', '127.0.0.1:9092'],
  ['inter_broker_addr', '0.0.0.0:9093'],
  ['seed_nodes', '[]'],
  ['default_replication_factor', 1],
  ['min_insync_replicas', 1],
  ['unclean_leader_election', false],
  ['heartbeat_interval_ms', 500],
  ['election_timeout_min_ms', 1000],
  ['election_timeout_max_ms', 2000],
  ['session_timeout_ms', 10000],
  ['snapshot_interval_logs', 1000],
  ['max_logs_in_snapshot', 1000],
  ['purge_batch_size', 100],
  ['max_payload_entries', 100],
  ['inter_broker_tls.enabled', false],
  ['inter_broker_tls.cert_path', '—'],
  ['inter_broker_tls.key_path', '—'],
  ['inter_broker_tls.ca_cert_path', '—'],
  ['inter_broker_tls.verify_peer', true],
  ['inter_broker_tls.min_version', '1.2'],
  ['rack_id', '—'],
  ['rack_aware_assignment', true],
];

function provedByText(pointer: string): { readonly path: string; readonly title: string } {
  const [path = '', title = ''] = pointer.split('#');
  return { path: join(ROOT, path), title };
}

describe('the schema of settings', () => {
  it.each(GUIDE)('has %s of the guide with its default', (name, guideDefault) => {
    const setting = ALL_SETTINGS.find((one) => one.name === name);
    const { config } = resolveConfig([]);
    const value = setting === undefined ? undefined : config[setting.key];
    const shown = value === undefined ? '—' : setting?.kind.format(value) === '' ? '[]' : setting?.kind.format(value);
    expect(shown).toBe(String(guideDefault));
  });

  it('names for every setting the test that observes its effect or its refusal, which names the setting', () => {
    for (const { name, flagNames, provedBy } of ALL_SETTINGS) {
      const { path, title } = provedByText(provedBy);
      expect(existsSync(path), `${name} points to ${path}`).toBe(true);
      expect(title.length, `${name} points to a test`).toBeGreaterThan(0);
      const spec = readFileSync(path, 'utf8');
      expect(spec.includes(title), `${name} points to "${title}" in ${path}`).toBe(true);
      const named = [name, ...flagNames].some((one) => new RegExp(`(?<![\\w.-])${one.replace('.', '\\.')}(?![\\w-])`).test(spec));
      expect(named, `${name} is named in ${path}`).toBe(true);
    }
  });

  it('has no two settings with one flag, variable or key', () => {
    for (const names of [
      ALL_SETTINGS.flatMap(({ flagNames }) => flagNames),
      ALL_SETTINGS.flatMap(({ envNames }) => envNames),
      ALL_SETTINGS.map(({ key }) => key),
    ]) {
      expect(new Set(names).size).toBe(names.length);
    }
  });

  it('makes flags, variables and keys from the name', () => {
    const tls = ALL_SETTINGS.find(({ name }) => name === 'inter_broker_tls.cert_path');
    expect(tls?.flagNames).toEqual(['--inter-broker-tls-cert-path']);
    expect(tls?.envNames).toEqual(['STREAMLINE_INTER_BROKER_TLS_CERT_PATH']);
    expect(tls?.key).toBe('interBrokerTlsCertPath');
    const nodeId = ALL_SETTINGS.find(({ name }) => name === 'node_id');
    expect(nodeId?.flagNames).toEqual(['--cluster-node-id', '--node-id']);
    expect(nodeId?.envNames).toEqual(['STREAMLINE_NODE_ID', 'STREAMLINE_CLUSTER_NODE_ID']);
  });

  it('has no problem with its own defaults', () => {
    expect(resolveConfig([]).problems).toEqual([]);
  });

  it('documents a default for every setting that has one', () => {
    const { config } = resolveConfig([]);
    for (const setting of ALL_SETTINGS) {
      expect(defaultText(setting) !== '', setting.name).toBe(
        config[setting.key] !== undefined || setting.defaultDoc !== undefined,
      );
    }
  });
});

describe('the docs pages', () => {
  it.each([
    ['docs/configuration.md', configurationPage()],
    ['docs/exit-codes.md', exitCodesPage()],
  ])('%s is what the schema says; write it anew with: bin/streamline docs <page> > docs/<page>.md', (path, page) => {
    expect(readFileSync(join(ROOT, path), 'utf8')).toBe(page);
  });
});
