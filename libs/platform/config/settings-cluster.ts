import { always, setting } from './setting';
import { boolean, oneOf, optionalPath, optionalText, wholeNumber } from './value-kind';

const CONTROLLER_SPEC = 'services/controller/controller-settings.spec.ts';
const SEEDED = `${CONTROLLER_SPEC}#%s is what the cluster that it begins has as %s`;
const RAFT = `${CONTROLLER_SPEC}#the settings of Raft are what its core is given`;
const TLS_SPEC = 'libs/platform/security/tls-security.spec.ts';

const milliseconds = (min: number) => wholeNumber({ min, max: 600_000, unit: 'ms' });
const entries = wholeNumber({ min: 1, max: 10_000_000 });

export const CLUSTER_SETTINGS = {
  default_replication_factor: setting({
    kind: wholeNumber({ min: 1, max: 32_767 }),
    section: 'Replication',
    doc: 'Default number of replicas for new topics.',
    defaultOf: always(1),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  min_insync_replicas: setting({
    kind: wholeNumber({ min: 1, max: 32_767 }),
    section: 'Replication',
    doc: 'Minimum ISR size required for writes with acks=all.',
    defaultOf: always(1),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  unclean_leader_election: setting({
    kind: boolean(),
    section: 'Replication',
    doc: 'Allow non-ISR replicas to become leader (risks data loss).',
    defaultOf: always(false),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  heartbeat_interval_ms: setting({
    kind: milliseconds(10),
    section: 'Raft',
    doc: 'Raft heartbeat interval. Lower = faster failure detection, more network traffic.',
    defaultOf: always(500),
    provedBy: RAFT,
  }),
  election_timeout_min_ms: setting({
    kind: milliseconds(20),
    section: 'Raft',
    doc: 'Minimum election timeout. Must be > heartbeat interval.',
    defaultOf: always(1_000),
    provedBy: RAFT,
  }),
  election_timeout_max_ms: setting({
    kind: milliseconds(30),
    section: 'Raft',
    doc: 'Maximum election timeout. Randomized between min and max.',
    defaultOf: always(2_000),
    provedBy: RAFT,
  }),
  session_timeout_ms: setting({
    kind: milliseconds(100),
    section: 'Raft',
    doc: 'Time before a node is considered dead.',
    defaultOf: always(10_000),
    scope: 'cluster',
    provedBy: `${CONTROLLER_SPEC}#session_timeout_ms is how long a broker may be silent`,
  }),
  snapshot_interval_logs: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Number of Raft log entries between automatic snapshots.',
    defaultOf: always(1_000),
    provedBy: `${CONTROLLER_SPEC}#snapshot_interval_logs is how many entries come between two snapshots of the image`,
  }),
  max_logs_in_snapshot: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Maximum log entries retained after snapshot for replication catch-up.',
    defaultOf: always(1_000),
    provedBy: `${CONTROLLER_SPEC}#max_logs_in_snapshot is how many entries are kept for a follower that is behind`,
  }),
  purge_batch_size: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Number of log entries purged per batch during compaction.',
    defaultOf: always(100),
    provedBy: RAFT,
  }),
  max_payload_entries: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Maximum entries per Raft append request.',
    defaultOf: always(100),
    provedBy: RAFT,
  }),
  'inter_broker_tls.enabled': setting({
    kind: boolean(),
    section: 'Inter-broker TLS',
    doc: 'Enable mTLS for inter-broker communication; docs/tls.md tells how. All processes of a cluster need the same value.',
    defaultOf: always(false),
    provedBy: `${TLS_SPEC}#inter_broker_tls.enabled makes every connection TLS: a peer that speaks plain text is refused`,
  }),
  'inter_broker_tls.cert_path': setting({
    kind: optionalPath(),
    section: 'Inter-broker TLS',
    doc: "Path to this node's TLS certificate (PEM), with intermediate certificates behind it. Read again when it changes.",
    defaultOf: always(undefined),
    provedBy: `${TLS_SPEC}#inter_broker_tls.cert_path and inter_broker_tls.key_path are what peers are shown`,
  }),
  'inter_broker_tls.key_path': setting({
    kind: optionalPath(),
    section: 'Inter-broker TLS',
    doc: "Path to this node's private key (PEM, no pass phrase). Read again when it changes.",
    defaultOf: always(undefined),
    provedBy: `${TLS_SPEC}#inter_broker_tls.cert_path and inter_broker_tls.key_path are what peers are shown`,
  }),
  'inter_broker_tls.ca_cert_path': setting({
    kind: optionalPath(),
    section: 'Inter-broker TLS',
    doc: 'Path to CA certificate for peer verification (PEM, one or more). Read again when it changes.',
    defaultOf: always(undefined),
    provedBy: `${TLS_SPEC}#inter_broker_tls.ca_cert_path is who signs the certificates of peers: others are refused`,
  }),
  'inter_broker_tls.verify_peer': setting({
    kind: boolean(),
    section: 'Inter-broker TLS',
    doc: 'Whether to verify peer certificates: who signed them, that they are valid, and that they are for the address that was dialled.',
    defaultOf: always(true),
    provedBy: `${TLS_SPEC}#inter_broker_tls.verify_peer false asks peers for no certificate and looks at none`,
  }),
  'inter_broker_tls.min_version': setting({
    kind: oneOf(['1.2', '1.3']),
    section: 'Inter-broker TLS',
    doc: 'Minimum TLS version ("1.2" or "1.3").',
    defaultOf: always('1.2'),
    provedBy: `${TLS_SPEC}#inter_broker_tls.min_version is the oldest version that is spoken, by whichever side`,
  }),
  rack_id: setting({
    kind: optionalText(/^[A-Za-z0-9._-]{1,249}$/, '1 to 249 letters, digits, dots, underscores or hyphens'),
    section: 'Racks',
    doc: 'Rack/AZ identifier for this node.',
    defaultOf: always(undefined),
    provedBy: 'test/process/settings.spec.ts#rack_id is the rack that clients are told',
  }),
  rack_aware_assignment: setting({
    kind: boolean(),
    section: 'Racks',
    doc: 'Spread replicas across racks when possible.',
    defaultOf: always(true),
    scope: 'cluster',
    provedBy: 'services/controller/cluster-settings.spec.ts#places replicas over racks unless rack_aware_assignment is false',
  }),
} as const;
