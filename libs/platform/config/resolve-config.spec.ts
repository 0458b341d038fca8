import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig, readCommandLine } from './cli';
import { readCommandFlags } from './command-flags';
import type { ConfigProblem } from './config-problem';
import { resolveConfig, type ResolvedConfig } from './resolve-config';
import { ALL_SETTINGS, type SettingName } from './schema';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'streamline-config-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function load(args: readonly string[], env: Record<string, string> = {}): Promise<ResolvedConfig> {
  return loadConfig(readCommandFlags(args), env);
}

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

function messages(problems: readonly ConfigProblem[]): string[] {
  return problems.map(({ subject, message }) => `${subject}: ${message}`);
}

describe('the effective configuration', () => {
  it('takes flag over environment over file over default', async () => {
    const path = file('a.toml', 'node_id = 2\nmax_connections = 5\nlog_level = "warn"\n');
    const env = { STREAMLINE_MAX_CONNECTIONS: '6', STREAMLINE_LOG_LEVEL: 'error', STREAMLINE_CONFIG: path };
    const { config, origins, problems } = await load(['--log-level', 'debug'], env);
    expect(problems).toEqual([]);
    expect([config.nodeId, config.maxConnections, config.logLevel, config.profile]).toEqual([2, 6, 'debug', 'production']);
    expect(origins.get('node_id')).toEqual({ kind: 'file', path, key: 'node_id' });
    expect(origins.get('max_connections')).toEqual({ kind: 'env', name: 'STREAMLINE_MAX_CONNECTIONS' });
    expect(origins.get('log_level')).toEqual({ kind: 'flag', flag: '--log-level' });
    expect(origins.get('profile')).toEqual({ kind: 'default' });
  });

  it('binds to loopback, logs for people and does not delay groups in the development profile', async () => {
    const { config } = await load(['--profile', 'development']);
    expect(config.listenAddr).toEqual({ host: '127.0.0.1', port: 9092 });
    expect(config.interBrokerAddr).toEqual({ host: '127.0.0.1', port: 9093 });
    expect(config.httpAddr).toEqual({ host: '127.0.0.1', port: 9094 });
    expect([config.logFormat, config.groupInitialRebalanceDelayMs]).toEqual(['pretty', 0]);
    const production = (await load([])).config;
    expect([production.listenAddr.host, production.httpAddr.host]).toEqual(['0.0.0.0', '0.0.0.0']);
    expect([production.logFormat, production.groupInitialRebalanceDelayMs]).toEqual(['json', 3_000]);
  });

  it.each([
    [['controller', 'storage'], 9093],
    [['storage'], 9095],
    [['storage', 'gateway'], 9095],
    [['admin'], 9096],
    [['gateway'], 9097],
  ])('gives each role its own inter-broker port when the controller is elsewhere (%s: %d)', async (roles, port) => {
    const { config, problems } = await load(['--roles', roles.join(',')]);
    expect(problems).toEqual([]);
    expect(config.interBrokerAddr.port).toBe(port);
    expect(config.advertisedInterBrokerAddr).toEqual({ host: '127.0.0.1', port });
  });

  it('looks for the controller on this host where it is in another process', async () => {
    expect((await load(['--roles', 'storage'])).config.controllerAddrs).toEqual([{ host: '127.0.0.1', port: 9093 }]);
    expect((await load([])).config.controllerAddrs).toEqual([]);
    const named = await load(['--roles', 'gateway', '--controller-addrs', 'node-1:9093']);
    expect(named.config.controllerAddrs).toEqual([{ host: 'node-1', port: 9093 }]);
  });

  it('looks for the gateway on this host where it is in another process', async () => {
    expect((await load(['--roles', 'admin'])).config.gatewayAddr).toEqual({ host: '127.0.0.1', port: 9097 });
    const named = await load(['--roles', 'admin', '--gateway-addr', 'gate:9000']);
    expect(named.config.gatewayAddr).toEqual({ host: 'gate', port: 9000 });
  });

  it('advertises where it listens', async () => {
    const guide = await load(['--advertised-addr', '192.168.1.1:9092', '--inter-broker-addr', '0.0.0.0:9093']);
    expect(guide.config.advertisedInterBrokerAddr).toEqual({ host: '192.168.1.1', port: 9093 });
    const bound = await load(['--listen-addr', '127.0.0.2:19092', '--inter-broker-addr', '127.0.0.3:19093']);
    expect(bound.config.advertisedAddr).toEqual({ host: '127.0.0.2', port: 19_092 });
    expect(bound.config.advertisedInterBrokerAddr).toEqual({ host: '127.0.0.3', port: 19_093 });
    const own = await load(['--advertised-inter-broker-addr', '[fd00::1]:9093']);
    expect(own.config.advertisedInterBrokerAddr).toEqual({ host: 'fd00::1', port: 9093 });
  });

  it('hands every broker setting to the roles as it was given', async () => {
    const numbers = ALL_SETTINGS.filter(
      ({ section, kind, defaultDoc }) =>
        ['Storage', 'Topics', 'Groups', 'Limits'].includes(section) && /^\d+$/.test(kind.format(10)) && defaultDoc === undefined,
    );
    const { config: defaults } = resolveConfig([]);
    for (const setting of numbers) {
      const value = defaults[setting.key];
      if (typeof value !== 'number') continue;
      const other = value > 3 ? value - 1 : value + 1;
      const { config, problems } = await load([`${setting.flagNames[0]}=${other}`]);
      expect(problems, setting.name).toEqual([]);
      expect(config[setting.key], setting.name).toBe(other);
    }
    const { config } = await load(['--durability', 'page-cache', '--auto-create-topics-enable=false']);
    expect([config.durability, config.autoCreateTopicsEnable]).toEqual(['page-cache', false]);
  });

  it('prints itself as a file that says the same', async () => {
    const printed = await readCommandLine({
      args: ['config', '--node-id', '7', '--group-max-size', '9'],
      env: {},
      version: '0',
    });
    expect(printed).toMatchObject({ kind: 'print', exitCode: 0 });
    const text = printed.kind === 'print' ? printed.text : '';
    expect(text).toMatch(/^node_id = 7 +# flag --node-id$/m);
    expect(text).toMatch(/^profile = "production" +# default$/m);
    const again = await load(['--config', file('printed.toml', text)]);
    expect(again.problems).toEqual([]);
    expect({ ...again.config, config: undefined }).toEqual((await load(['--node-id', '7', '--group-max-size', '9'])).config);
  });

  it('takes whatever its own kinds can write', () => {
    const numeric: readonly SettingName[] = ['node_id', 'stop_timeout_ms', 'max_connections'];
    fc.assert(
      fc.property(fc.constantFrom(...numeric), fc.integer({ min: 100, max: 10_000 }), (name, value) => {
        const setting = ALL_SETTINGS.find((one) => one.name === name);
        const raw = setting?.kind.fromText(setting.kind.format(value));
        const { config, problems } = resolveConfig([new Map([[name, { raw, origin: { kind: 'default' } }]])]);
        expect(problems).toEqual([]);
        expect(setting && config[setting.key]).toBe(value);
      }),
    );
  });
});

describe('the rules between settings', () => {
  it.each([
    [['--min-insync-replicas=2'], 'min_insync_replicas: must not be greater than default_replication_factor, which is 1'],
    [
      ['--heartbeat-interval-ms=1000'],
      'heartbeat_interval_ms: election_timeout_min_ms must be greater than heartbeat_interval_ms, which is 1000',
    ],
    [
      ['--election-timeout-min-ms=2000'],
      'election_timeout_min_ms: election_timeout_max_ms must be greater than election_timeout_min_ms, which is 2000',
    ],
    [['--session-timeout-ms=500'], 'session_timeout_ms: must be greater than heartbeat_interval_ms, which is 500'],
    [
      ['--group-min-session-timeout-ms=10', '--group-max-session-timeout-ms=9'],
      'group_min_session_timeout_ms: must not be greater than group_max_session_timeout_ms, which is 9',
    ],
    [
      ['--socket-request-max-bytes=536870913'],
      'socket_request_max_bytes: must not be greater than max_in_flight_bytes, which is 536870912',
    ],
    [['--message-max-bytes=8388609'], 'message_max_bytes: must be a whole number of bytes from 0 to 8388608'],
    [['--http-addr=127.0.0.1:9092'], 'http_addr: listen_addr 0.0.0.0:9092 and http_addr 127.0.0.1:9092 cannot share a port'],
  ])('%j is refused', async (args, expected) => {
    expect(messages((await load(args)).problems)).toEqual([expected]);
  });

  it('lets roles that are not here share a port with those that are', async () => {
    const { problems } = await load(['--roles=storage', '--inter-broker-addr=127.0.0.1:9092']);
    expect(problems).toEqual([]);
  });

  it('refuses to advertise an address that nobody can connect to', async () => {
    const { problems } = await load(['--advertised-addr', '0.0.0.0:9092']);
    expect(messages(problems)).toEqual([expect.stringMatching(/^advertised_addr: nobody can connect to 0\.0\.0\.0/)]);
  });

  it('says nothing of a rule whose settings are wrong already', async () => {
    const { problems } = await load(['--heartbeat-interval-ms=never']);
    expect(problems.map(({ subject }) => subject)).toEqual(['heartbeat_interval_ms']);
  });
});
