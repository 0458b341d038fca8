/** How a sentence of the clustering guide is shown to be true. */
export type Proof =
  /** A test of this folder whose title quotes it. */
  | { readonly kind: 'guide'; readonly file: string }
  /** A row of a table of settings, which config-reference.spec.ts reads from here. */
  | { readonly kind: 'setting' }
  /** A test elsewhere: `path/of.spec.ts#title`. */
  | { readonly kind: 'spec'; readonly at: string }
  /** It cannot be true as it stands: a heading of docs/guide-deviations.md, beside what is proved of it. */
  | { readonly kind: 'deviation'; readonly heading: string; readonly file?: string };

export interface Sentence {
  /** Where it stands in the guide. */
  readonly section: string;
  /** Its words, or as many of them as tell it from others. */
  readonly quote: string;
  readonly proof: Proof;
}

type Entry = readonly [quote: string, proof: Proof];

const SNAPSHOT_INTERVAL =
  'services/controller/controller-settings.spec.ts#snapshot_interval_logs is how many entries come between two snapshots of the image';
const PURGING =
  'libs/runtime/raft/raft-driver.spec.ts#takes snapshots by itself, purges behind them, and sends one to a member that is too far behind';
const LAG = 'services/admin/admin.service.spec.ts#tells why a node is not healthy';

const at = (file: string): Proof => ({ kind: 'guide', file });
const spec = (where: string): Proof => ({ kind: 'spec', at: where });
const replication = spec(
  'test/process/replication.spec.ts#loses nothing that was acknowledged, doubles nothing and keeps the order when its leader is killed',
);
const deviates = (heading: string, file?: string): Proof => ({ kind: 'deviation', heading, ...(file && { file }) });

function section(name: string, entries: readonly Entry[]): Sentence[] {
  return entries.map(([quote, proof]) => ({ section: name, quote, proof }));
}

const setup = at('setup.spec.ts');
const compose = at('compose.spec.ts');
const setting: Proof = { kind: 'setting' };
const http = at('http-api.spec.ts');
const leader = at('leader-failure.spec.ts');
const follower = at('follower-failure.spec.ts');
const tls = at('tls.spec.ts');
const partition = at('network-partition.spec.ts');
const shutdown = at('graceful-shutdown.spec.ts');
const restart = at('full-restart.spec.ts');
const members = at('adding-removing.spec.ts');
const monitoring = at('monitoring.spec.ts');
const probes = at('health-checks.spec.ts');
const runbook = at('runbook.spec.ts');

const ARCHITECTURE: readonly Sentence[] = [
  ...section('Clustering Guide', [
    ['Streamline supports multi-node clustering using the Raft consensus protocol', setup],
    ['(via openraft)', deviates('Our own Raft')],
    ['Clustering provides high availability, automatic leader election', leader],
    ['and data replication across nodes', replication],
    ['Clustering is gated behind the `clustering` Cargo feature flag', deviates('Our own Raft')],
  ]),
  ...section('Raft Consensus', [
    ['Streamline uses Raft for cluster metadata consensus', setup],
    ['Broker registration — which nodes are in the cluster and their states', setup],
    ['Topic assignments — partition-to-broker mapping, replica sets, ISR lists', setup],
    ['Leader election — which broker is the partition leader', setup],
    ['Cluster controller — the Raft leader acts as the cluster controller', setup],
    ['Data replication (actual topic messages) is handled by a separate replication layer', replication],
  ]),
  ...section('Node Roles', [
    ['Leader (Controller): Manages cluster metadata, handles membership changes, coordinates topic creation', members],
    ['Follower (Voter): Replicates Raft log, participates in elections, can become leader', leader],
    ['Learner: Receives Raft log but cannot vote; used during node provisioning', members],
  ]),
  ...section('Communication', [
    ['Port 9092 — Kafka protocol (client connections)', setup],
    ['Port 9093 — Inter-broker RPC (Raft consensus + data replication)', setup],
    ['Port 9094 — HTTP API (health checks, metrics, cluster management)', setup],
    ['Inter-broker communication can be secured with mutual TLS (mTLS)', tls],
  ]),
];

const SETUP: readonly Sentence[] = [
  ...section('3-Node Cluster', [
    ['streamline --cluster-node-id 1 --advertised-addr 192.168.1.1:9092 --inter-broker-addr 0.0.0.0:9093', setup],
    ['The first node bootstraps automatically when no seed nodes are configured', setup],
    ['streamline --cluster-node-id 2 … --seed-nodes 192.168.1.1:9093', setup],
    ['Nodes 2 and 3 join the cluster through the seed node (Node 1)', setup],
    ['If Node 1 is not the Raft leader, the join request is automatically forwarded to the current leader', setup],
  ]),
  ...section('Docker Compose (3-Node)', [
    ['--advertised-addr streamline-1:9092', compose],
    ['--seed-nodes streamline-1:9093', compose],
    ['image: streamlinelabs/streamline:latest', deviates('The image is built from this repository', 'compose.spec.ts')],
    ['ports: "9092:9092" "9094:9094"', compose],
  ]),
];

const CONFIGURATION: readonly Sentence[] = [
  ...section('Core Clustering Settings', [
    ['node_id = 1: Unique node ID within the cluster (must be > 0)', setting],
    ['advertised_addr = 127.0.0.1:9092: Address returned to clients in metadata responses', setting],
    ['inter_broker_addr = 0.0.0.0:9093: Address for inter-broker Raft and replication traffic', setting],
    ['seed_nodes = []: Inter-broker addresses of existing cluster members for joining', setting],
  ]),
  ...section('Replication Settings', [
    ['default_replication_factor = 1: Default number of replicas for new topics', setting],
    ['min_insync_replicas = 1: Minimum ISR size required for writes with acks=all', setting],
    ['unclean_leader_election = false: Allow non-ISR replicas to become leader (risks data loss)', setting],
  ]),
  ...section('Raft Consensus Tuning', [
    ['heartbeat_interval_ms = 500: Raft heartbeat interval. Lower = faster failure detection, more network traffic', setting],
    ['election_timeout_min_ms = 1000: Minimum election timeout. Must be > heartbeat interval', setting],
    ['election_timeout_max_ms = 2000: Maximum election timeout. Randomized between min and max', setting],
    ['session_timeout_ms = 10000: Time before a node is considered dead', setting],
  ]),
  ...section('Snapshot & Log Compaction', [
    ['snapshot_interval_logs = 1000: Number of Raft log entries between automatic snapshots', setting],
    ['max_logs_in_snapshot = 1000: Maximum log entries retained after snapshot for replication catch-up', setting],
    ['purge_batch_size = 100: Number of log entries purged per batch during compaction', setting],
    ['max_payload_entries = 100: Maximum entries per Raft append request', setting],
    ['lower `snapshot_interval_logs` to 500', spec(SNAPSHOT_INTERVAL)],
    ['increase `max_logs_in_snapshot` to give new nodes more time to catch up from logs', follower],
    ['`purge_batch_size` controls memory pressure during compaction', spec(PURGING)],
  ]),
  ...section('Inter-Broker TLS', [
    ['inter_broker_tls.enabled = false: Enable mTLS for inter-broker communication', setting],
    ["inter_broker_tls.cert_path: Path to this node's TLS certificate (PEM)", setting],
    ["inter_broker_tls.key_path: Path to this node's private key (PEM)", setting],
    ['inter_broker_tls.ca_cert_path: Path to CA certificate for peer verification', setting],
    ['inter_broker_tls.verify_peer = true: Whether to verify peer certificates', setting],
    ['inter_broker_tls.min_version = "1.2": Minimum TLS version ("1.2" or "1.3")', setting],
  ]),
  ...section('Rack-Aware Placement', [
    ['rack_id: Rack/AZ identifier for this node', setting],
    ['rack_aware_assignment = true: Spread replicas across racks when possible', setting],
  ]),
];

const HTTP: readonly Sentence[] = [
  ...section('Cluster Health', [
    ['GET /api/v1/cluster/status', http],
    ['Returns the Raft state, leader information, log indices, and overall health', http],
    ['Node is a healthy voting member with an elected leader', http],
  ]),
  ...section('Cluster Members', [
    ['GET /api/v1/cluster/members', http],
    ['POST /api/v1/cluster/members — Add a new member (must be sent to the leader)', http],
    ['DELETE /api/v1/cluster/members/{node_id} — Remove a member (must be sent to the leader)', http],
  ]),
];

const FAILURES: readonly Sentence[] = [
  ...section('Leader Failure', [
    ['Followers detect missing heartbeats after `election_timeout_min_ms`–`election_timeout_max_ms`', leader],
    ['A follower starts an election by incrementing its term and requesting votes', leader],
    ['If it receives a majority of votes, it becomes the new leader', leader],
    ['Recovery time: Typically `election_timeout_max_ms` (2 seconds by default)', leader],
    ['Data impact: No data loss. Committed entries are durable on a majority of nodes', leader],
  ]),
  ...section('Follower Failure', [
    [
      'The leader detects the follower is unreachable after `session_timeout_ms`',
      deviates('A crash is acted on before session_timeout_ms', 'follower-failure.spec.ts'),
    ],
    ['The follower is removed from ISR lists for its partitions', follower],
    ['Writes continue as long as `min_insync_replicas` is satisfied', follower],
    ["When the follower recovers, it catches up from the leader's log or snapshot", follower],
    [
      'Data impact: None, as long as `min_insync_replicas` other nodes are alive',
      deviates('What data impact "none" needs', 'follower-failure.spec.ts'),
    ],
  ]),
  ...section('Network Partition', [
    ['The minority side cannot elect a leader (needs majority)', partition],
    ['The majority side continues operating normally', partition],
    ['When the partition heals, minority nodes rejoin and catch up', partition],
    ['Prevention: Use an odd number of nodes (3 or 5) across at least 2 failure domains', partition],
  ]),
  ...section('Graceful Shutdown', [
    ['Streamline performs a graceful leadership transfer on shutdown', shutdown],
    ['If the shutting-down node is the leader, it sends a final heartbeat to ensure followers are caught up', shutdown],
    ['The node deregisters itself from the cluster (marks as `ShuttingDown`)', shutdown],
    ['The replication manager and Raft engine shut down with timeouts', shutdown],
    ['Remaining nodes elect a new leader automatically', shutdown],
  ]),
  ...section('Full Cluster Restart', [
    ['Start any single node — it will reload its Raft state from disk', restart],
    [
      'If that node was the last leader, it can immediately resume',
      deviates('One node of three cannot resume alone', 'full-restart.spec.ts'),
    ],
    ['Start additional nodes — they will rejoin using their persisted state', restart],
    ['Do not change `node_id` values between restarts', restart],
  ]),
  ...section('Adding/Removing Nodes', [
    ['Start the node with --seed-nodes pointing to an existing member', members],
    ['Use the HTTP API from the leader', members],
    ['Graceful removal via API (must target the leader)', members],
  ]),
];

const OPERATING: readonly Sentence[] = [
  ...section('Key Metrics to Watch', [
    ['status → `healthy`: Overall node health. Alert if `false` for > 30s', monitoring],
    ['status → `leader_id`: Whether a leader exists. Alert if `null` for > 10s', monitoring],
    ['status → `node_state`: Raft role of this node. Alert if `Candidate` for > 30s (stuck election)', monitoring],
    ['`committed_log_index` vs `applied_log_index`: State machine lag. Alert if difference > 100', monitoring],
    ['members → `total`: Cluster size. Alert if < expected quorum size', monitoring],
    ['`GET /health/ready`: Readiness probe. Use for K8s readiness checks', monitoring],
    ['`GET /health/live`: Liveness probe. Use for K8s liveness checks', monitoring],
  ]),
  ...section('Health Check Integration', [
    ['livenessProbe: path: /health/live port: 9094', probes],
    ['readinessProbe: path: /api/v1/cluster/status port: 9094', probes],
    ['Parse the readiness response and check `healthy == true` before routing traffic', probes],
  ]),
  ...section('Operational Runbook', [
    ['No leader elected: Check network connectivity between nodes. Verify at least a majority of nodes are running', runbook],
    ['Check for clock skew', deviates('Clock skew does not matter')],
    ['Node stuck as Candidate: The node may be partitioned. Check firewall rules on port 9093', runbook],
    ['Verify `election_timeout_max_ms` is reasonable', runbook],
    ['High log index gap: The state machine is falling behind. Check disk I/O and CPU on the affected node', spec(LAG)],
    ['Frequent leader changes: Increase `election_timeout_min_ms` and `heartbeat_interval_ms`', runbook],
    ['Node cannot join: Ensure the seed node is the leader or can forward', runbook],
    ['Check that `node_id` is unique and > 0', runbook],
  ]),
];

/** Every sentence and table row of the clustering guide, in its order. */
export const SENTENCES: readonly Sentence[] = [...ARCHITECTURE, ...SETUP, ...CONFIGURATION, ...HTTP, ...FAILURES, ...OPERATING];

/** A row of the guide's tables of settings. */
export interface SettingRow {
  readonly name: string;
  /** As the guide has it; undefined where it has a dash. */
  readonly byDefault: string | undefined;
  readonly description: string;
}

/** `name = default: description`, or without a default. */
const ROW = /^(?<name>[a-z_]+(?:\.[a-z_]+)?)(?: = (?<byDefault>\S+))?: (?<description>.+)$/;

/** Undefined for what is no row of a table of settings. */
export function settingRow({ quote, proof }: Sentence): SettingRow | undefined {
  if (proof.kind !== 'setting') return undefined;
  const { name, byDefault, description } = ROW.exec(quote)?.groups ?? {};
  if (name === undefined || description === undefined) throw new Error(`not a row of a table of settings: ${quote}`);
  return { name, byDefault, description };
}
