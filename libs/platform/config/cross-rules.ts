import { formatAddress, isWildcardHost, type Address } from './address';
import type { NodeConfig, SettingName } from './schema';

/** A rule that ties settings together. It is looked at only where each of its settings is right by itself. */
export interface CrossRule {
  /** The first one carries the message. */
  readonly settings: readonly [SettingName, ...SettingName[]];
  /** True where the message names the settings itself; otherwise it continues "<first setting> ...". */
  readonly namesItself?: true;
  /** What is wrong and what would be right; undefined where the rule holds. */
  check(config: NodeConfig): string | undefined;
}

function ascending(lower: SettingName, higher: SettingName, read: (config: NodeConfig) => readonly [number, number]): CrossRule {
  return {
    settings: [higher, lower],
    check: (config) => {
      const [low, high] = read(config);
      return low < high ? undefined : `must be greater than ${lower}, which is ${low}`;
    },
  };
}

function atMost(lower: SettingName, higher: SettingName, read: (config: NodeConfig) => readonly [number, number]): CrossRule {
  return {
    settings: [lower, higher],
    check: (config) => {
      const [low, high] = read(config);
      return low <= high ? undefined : `must not be greater than ${higher}, which is ${high}`;
    },
  };
}

function reachable(name: SettingName, read: (config: NodeConfig) => Address, ...derivedFrom: SettingName[]): CrossRule {
  return {
    settings: [name, ...derivedFrom],
    check: (config) => {
      const address = read(config);
      if (!isWildcardHost(address.host)) return undefined;
      return `nobody can connect to ${address.host}: name the host or address by which others reach this node, such as 192.168.1.1:${address.port}`;
    },
  };
}

function collide(one: Address, other: Address): boolean {
  if (one.port === 0 || one.port !== other.port) return false;
  return one.host === other.host || isWildcardHost(one.host) || isWildcardHost(other.host);
}

/** Two listeners of one process on one port; a role that is not here does not listen. */
const OWN_PORTS: CrossRule = {
  settings: ['inter_broker_addr', 'listen_addr', 'http_addr', 'roles'],
  namesItself: true,
  check: (config) => {
    const listeners: { readonly name: SettingName; readonly address: Address }[] = [
      { name: 'inter_broker_addr', address: config.interBrokerAddr },
    ];
    if (config.roles.includes('gateway')) listeners.push({ name: 'listen_addr', address: config.listenAddr });
    if (config.roles.includes('admin')) listeners.push({ name: 'http_addr', address: config.httpAddr });
    for (const [index, one] of listeners.entries()) {
      const other = listeners.slice(index + 1).find(({ address }) => collide(one.address, address));
      if (other !== undefined) {
        return `${one.name} ${formatAddress(one.address)} and ${other.name} ${formatAddress(other.address)} cannot share a port`;
      }
    }
    return undefined;
  },
};

/** What TLS cannot be without; all of it at once. */
const NEEDED_BY_TLS: CrossRule = {
  settings: [
    'inter_broker_tls.enabled',
    'inter_broker_tls.cert_path',
    'inter_broker_tls.key_path',
    'inter_broker_tls.ca_cert_path',
    'inter_broker_tls.verify_peer',
  ],
  namesItself: true,
  check: (config) => {
    if (!config.interBrokerTlsEnabled) return undefined;
    const missing: string[] = [];
    if (config.interBrokerTlsCertPath === undefined) missing.push("inter_broker_tls.cert_path (this node's certificate, PEM)");
    if (config.interBrokerTlsKeyPath === undefined) missing.push('inter_broker_tls.key_path (its private key, PEM)');
    if (config.interBrokerTlsCaCertPath === undefined && config.interBrokerTlsVerifyPeer) {
      missing.push('inter_broker_tls.ca_cert_path (what peers are verified with, PEM; or inter_broker_tls.verify_peer false)');
    }
    return missing.length === 0 ? undefined : `inter_broker_tls.enabled needs ${missing.join(', ')}`;
  },
};

export const CROSS_RULES: readonly CrossRule[] = [
  atMost('min_insync_replicas', 'default_replication_factor', (c) => [c.minInsyncReplicas, c.defaultReplicationFactor]),
  ascending('heartbeat_interval_ms', 'election_timeout_min_ms', (c) => [c.heartbeatIntervalMs, c.electionTimeoutMinMs]),
  ascending('election_timeout_min_ms', 'election_timeout_max_ms', (c) => [c.electionTimeoutMinMs, c.electionTimeoutMaxMs]),
  ascending('heartbeat_interval_ms', 'session_timeout_ms', (c) => [c.heartbeatIntervalMs, c.sessionTimeoutMs]),
  atMost('group_min_session_timeout_ms', 'group_max_session_timeout_ms', (c) => [
    c.groupMinSessionTimeoutMs,
    c.groupMaxSessionTimeoutMs,
  ]),
  atMost('socket_request_max_bytes', 'max_in_flight_bytes', (c) => [c.socketRequestMaxBytes, c.maxInFlightBytes]),
  reachable('advertised_addr', (c) => c.advertisedAddr),
  reachable('advertised_inter_broker_addr', (c) => c.advertisedInterBrokerAddr, 'advertised_addr'),
  NEEDED_BY_TLS,
  OWN_PORTS,
];
