import { resolve } from 'node:path';
import { type Address, isWildcardHost } from './address';
import { PROFILES, type RoleName, ROLES } from './roles';
import { always, type DefaultInputs, setting } from './setting';
import { address, addressList, oneOf, optionalPath, path, roleList, wholeNumber } from './value-kind';

const RESOLVE_SPEC = 'libs/platform/config/resolve-config.spec.ts';
const PROCESS_SPEC = 'test/process/settings.spec.ts';
const LISTENERS = `${PROCESS_SPEC}#data_dir is where all data lies; listen_addr, inter_broker_addr and http_addr are where the process listens`;
const REGISTERED =
  'services/storage/storage.service.spec.ts#node_id, rack_id, advertised_addr and advertised_inter_broker_addr are what it registers';
const PEERS =
  'services/admin/admin-settings.spec.ts#controller_addrs and gateway_addr are where it asks the processes of a split node';
const FORMING =
  'services/controller/controller-settings.spec.ts#seed_nodes and bootstrap decide whether it begins a cluster, joins one or waits';

/** Where a process listens for its peers when the controller role is not in it; so four roles on one host do not collide. */
const INTER_BROKER_PORTS: readonly (readonly [RoleName, number])[] = [
  ['controller', 9093],
  ['storage', 9095],
  ['admin', 9096],
  ['gateway', 9097],
];

function bindAddress(port: number): (inputs: DefaultInputs) => Address {
  return ({ profile }) => ({ host: profile === 'development' ? '127.0.0.1' : '0.0.0.0', port });
}

function interBrokerDefault(inputs: DefaultInputs): Address {
  const found = INTER_BROKER_PORTS.find(([role]) => inputs.roles.includes(role));
  return bindAddress(found?.[1] ?? 9093)(inputs);
}

function reachableHost(bound: Address, otherwise: string): string {
  return isWildcardHost(bound.host) ? otherwise : bound.host;
}

export const NODE_SETTINGS = {
  node_id: setting({
    kind: wholeNumber({ min: 1, max: 2_147_483_647 }),
    section: 'Node',
    doc: 'Unique node ID within the cluster (must be > 0). A data directory belongs to one node ID for good.',
    defaultOf: always(1),
    flag: 'cluster-node-id',
    flagAliases: ['node-id'],
    provedBy: REGISTERED,
  }),
  roles: setting({
    kind: roleList(),
    section: 'Node',
    doc: 'The roles that this process plays. A node may be split over several processes that share the data directory.',
    defaultOf: always(ROLES),
    provedBy: `${RESOLVE_SPEC}#gives each role its own inter-broker port when the controller is elsewhere`,
  }),
  data_dir: setting({
    kind: path(),
    section: 'Node',
    doc: 'Where all data lives, in a directory for each role. Made when it is not there, never reset by a start.',
    defaultOf: () => resolve('data'),
    defaultDoc: './data',
    provedBy: LISTENERS,
  }),
  config: setting({
    kind: optionalPath(),
    section: 'Node',
    doc: 'A TOML or YAML file with any of these settings, by their names. Flags and environment variables win over it.',
    defaultOf: always(undefined),
    notInFile: true,
    provedBy: `${RESOLVE_SPEC}#takes flag over environment over file over default`,
  }),
  profile: setting({
    kind: oneOf(PROFILES),
    section: 'Node',
    doc: 'Which defaults to start from. "development" binds to loopback only, logs for people and lets groups start without a delay.',
    defaultOf: always('production'),
    provedBy: `${RESOLVE_SPEC}#binds to loopback, logs for people and does not delay groups in the development profile`,
  }),
  stop_timeout_ms: setting({
    kind: wholeNumber({ min: 100, max: 600_000, unit: 'ms' }),
    section: 'Node',
    doc: 'How long a stop (SIGTERM, SIGINT) may take to finish what is in flight and flush, before the process ends anyway.',
    defaultOf: always(10_000),
    provedBy: `${PROCESS_SPEC}#stop_timeout_ms is how long a client that does not take its answer can hold up a stop`,
  }),
  listen_addr: setting({
    kind: address(0),
    section: 'Addresses',
    doc: 'Where Kafka clients connect.',
    defaultOf: bindAddress(9092),
    defaultDoc: '0.0.0.0:9092; 127.0.0.1:9092 in development',
    provedBy: LISTENERS,
  }),
  advertised_addr: setting({
    kind: address(1),
    section: 'Addresses',
    doc: 'Address returned to clients in metadata responses. Follows listen_addr where that names a host or another port.',
    defaultOf: ({ listenAddr }) => ({ host: reachableHost(listenAddr, '127.0.0.1'), port: listenAddr.port }),
    defaultDoc: '127.0.0.1:9092',
    provedBy: REGISTERED,
  }),
  inter_broker_addr: setting({
    kind: address(0),
    section: 'Addresses',
    doc: 'Address for inter-broker Raft and replication traffic. A process without the controller role has its own default port.',
    defaultOf: interBrokerDefault,
    defaultDoc:
      '0.0.0.0:9093; without the controller role 9095 (storage), 9096 (admin) or 9097 (gateway); 127.0.0.1 in development',
    provedBy: LISTENERS,
  }),
  advertised_inter_broker_addr: setting({
    kind: address(1),
    section: 'Addresses',
    doc: 'Address at which other nodes reach this one. Follows inter_broker_addr, with the host of advertised_addr where that binds to every interface.',
    defaultOf: ({ interBrokerAddr, advertisedAddr }) => ({
      host: reachableHost(interBrokerAddr, advertisedAddr.host),
      port: interBrokerAddr.port,
    }),
    defaultDoc: '127.0.0.1:9093',
    provedBy: REGISTERED,
  }),
  http_addr: setting({
    kind: address(0),
    section: 'Addresses',
    doc: 'HTTP API: health checks, metrics, cluster management.',
    defaultOf: bindAddress(9094),
    defaultDoc: '0.0.0.0:9094; 127.0.0.1:9094 in development',
    provedBy: LISTENERS,
  }),
  controller_addrs: setting({
    kind: addressList(),
    section: 'Addresses',
    doc: 'Where a process without the controller role finds the controller.',
    defaultOf: ({ roles }) => (roles.includes('controller') ? [] : [{ host: '127.0.0.1', port: 9093 }]),
    defaultDoc: 'none with the controller role in the process, 127.0.0.1:9093 without',
    refusal: (value) =>
      value.length > 1 ? 'Name one: a process asks the controller of its own node, which knows the others.' : undefined,
    provedBy: PEERS,
  }),
  gateway_addr: setting({
    kind: address(1),
    section: 'Addresses',
    doc: 'Where the admin role of a split node reaches the inter-broker listener of the gateway, for health and metrics.',
    defaultOf: always({ host: '127.0.0.1', port: 9097 }),
    provedBy: PEERS,
  }),
  seed_nodes: setting({
    kind: addressList(),
    section: 'Cluster',
    doc: 'Inter-broker addresses of existing cluster members for joining.',
    defaultOf: always([]),
    provedBy: FORMING,
  }),
  bootstrap: setting({
    kind: oneOf(['auto', 'never']),
    section: 'Cluster',
    doc: 'Whether an empty data directory may become a new cluster. "never" waits to be added to one.',
    defaultOf: always('auto'),
    provedBy: FORMING,
  }),
} as const;
