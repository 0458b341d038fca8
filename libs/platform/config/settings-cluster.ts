import { always, setting } from './setting';
import { boolean, oneOf, optionalPath, optionalText, wholeNumber } from './value-kind';

const REFUSED = 'libs/platform/config/refusal.spec.ts#refuses every setting that has no effect yet, saying why and what to do';
const CONTROLLER_SPEC = 'libs/runtime/controller/controller-role.spec.ts';
const NO_REPLICATION = 'this build keeps one replica of each partition; replication is not built yet. Leave it at its default.';
const NO_PEERS =
  'this build runs clusters of one node, which elects itself at once; there is nothing to tune yet. Leave it at its default.';
const NO_RAFT_LOG = 'this build keeps the metadata log of one node; Raft snapshots are not built yet. Leave it at its default.';
const NO_TLS = 'TLS between brokers is not built yet, and a node must not look safer than it is. Leave it unset.';

const milliseconds = (min: number) => wholeNumber({ min, max: 600_000, unit: 'ms' });
const entries = wholeNumber({ min: 1, max: 10_000_000 });

export const CLUSTER_SETTINGS = {
  default_replication_factor: setting({
    kind: wholeNumber({ min: 1, max: 32_767 }),
    section: 'Replication',
    doc: 'Default number of replicas for new topics.',
    defaultOf: always(1),
    scope: 'cluster',
    notYet: NO_REPLICATION,
    provedBy: REFUSED,
  }),
  min_insync_replicas: setting({
    kind: wholeNumber({ min: 1, max: 32_767 }),
    section: 'Replication',
    doc: 'Minimum ISR size required for writes with acks=all.',
    defaultOf: always(1),
    scope: 'cluster',
    notYet: NO_REPLICATION,
    provedBy: REFUSED,
  }),
  unclean_leader_election: setting({
    kind: boolean(),
    section: 'Replication',
    doc: 'Allow non-ISR replicas to become leader (risks data loss).',
    defaultOf: always(false),
    scope: 'cluster',
    notYet: NO_REPLICATION,
    provedBy: REFUSED,
  }),
  heartbeat_interval_ms: setting({
    kind: milliseconds(10),
    section: 'Raft',
    doc: 'Raft heartbeat interval. Lower = faster failure detection, more network traffic.',
    defaultOf: always(500),
    scope: 'cluster',
    notYet: NO_PEERS,
    provedBy: REFUSED,
  }),
  election_timeout_min_ms: setting({
    kind: milliseconds(20),
    section: 'Raft',
    doc: 'Minimum election timeout. Must be > heartbeat interval.',
    defaultOf: always(1_000),
    scope: 'cluster',
    notYet: NO_PEERS,
    provedBy: REFUSED,
  }),
  election_timeout_max_ms: setting({
    kind: milliseconds(30),
    section: 'Raft',
    doc: 'Maximum election timeout. Randomized between min and max.',
    defaultOf: always(2_000),
    scope: 'cluster',
    notYet: NO_PEERS,
    provedBy: REFUSED,
  }),
  session_timeout_ms: setting({
    kind: milliseconds(100),
    section: 'Raft',
    doc: 'Time before a node is considered dead.',
    defaultOf: always(10_000),
    scope: 'cluster',
    provedBy: `${CONTROLLER_SPEC}#fences a broker that is silent for the session timeout, and no sooner`,
  }),
  snapshot_interval_logs: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Number of Raft log entries between automatic snapshots.',
    defaultOf: always(1_000),
    scope: 'cluster',
    provedBy:
      'libs/runtime/controller/snapshot-interval.spec.ts#is how many entries of the metadata log come between two checkpoints of the image',
  }),
  max_logs_in_snapshot: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Maximum log entries retained after snapshot for replication catch-up.',
    defaultOf: always(1_000),
    scope: 'cluster',
    provedBy: `${CONTROLLER_SPEC}#gives a snapshot to a follower that is behind what is kept, or ahead of the log`,
  }),
  purge_batch_size: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Number of log entries purged per batch during compaction.',
    defaultOf: always(100),
    scope: 'cluster',
    notYet: NO_RAFT_LOG,
    provedBy: REFUSED,
  }),
  max_payload_entries: setting({
    kind: entries,
    section: 'Metadata snapshots',
    doc: 'Maximum entries per Raft append request.',
    defaultOf: always(100),
    scope: 'cluster',
    notYet: NO_PEERS,
    provedBy: REFUSED,
  }),
  'inter_broker_tls.enabled': setting({
    kind: boolean(),
    section: 'Inter-broker TLS',
    doc: 'Enable mTLS for inter-broker communication.',
    defaultOf: always(false),
    notYet: NO_TLS,
    provedBy: REFUSED,
  }),
  'inter_broker_tls.cert_path': setting({
    kind: optionalPath(),
    section: 'Inter-broker TLS',
    doc: "Path to this node's TLS certificate (PEM).",
    defaultOf: always(undefined),
    notYet: NO_TLS,
    provedBy: REFUSED,
  }),
  'inter_broker_tls.key_path': setting({
    kind: optionalPath(),
    section: 'Inter-broker TLS',
    doc: "Path to this node's private key (PEM).",
    defaultOf: always(undefined),
    notYet: NO_TLS,
    provedBy: REFUSED,
  }),
  'inter_broker_tls.ca_cert_path': setting({
    kind: optionalPath(),
    section: 'Inter-broker TLS',
    doc: 'Path to CA certificate for peer verification.',
    defaultOf: always(undefined),
    notYet: NO_TLS,
    provedBy: REFUSED,
  }),
  'inter_broker_tls.verify_peer': setting({
    kind: boolean(),
    section: 'Inter-broker TLS',
    doc: 'Whether to verify peer certificates.',
    defaultOf: always(true),
    notYet: NO_TLS,
    provedBy: REFUSED,
  }),
  'inter_broker_tls.min_version': setting({
    kind: oneOf(['1.2', '1.3']),
    section: 'Inter-broker TLS',
    doc: 'Minimum TLS version ("1.2" or "1.3").',
    defaultOf: always('1.2'),
    notYet: NO_TLS,
    provedBy: REFUSED,
  }),
  rack_id: setting({
    kind: optionalText(/^[A-Za-z0-9._-]{1,249}$/, '1 to 249 letters, digits, dots, underscores or hyphens'),
    section: 'Racks',
    doc: 'Rack/AZ identifier for this node.',
    defaultOf: always(undefined),
    notYet: NO_REPLICATION,
    provedBy: REFUSED,
  }),
  rack_aware_assignment: setting({
    kind: boolean(),
    section: 'Racks',
    doc: 'Spread replicas across racks when possible.',
    defaultOf: always(true),
    scope: 'cluster',
    notYet: NO_REPLICATION,
    provedBy: REFUSED,
  }),
} as const;
