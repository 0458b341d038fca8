import { RECORD_BATCH_BYTES_MAX } from '@streamline/core/types/limits';
import { always, setting } from './setting';
import { boolean, oneOf, optionalPath, wholeNumber } from './value-kind';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const INT_MAX = 2_147_483_647;
const LONG_MAX = Number.MAX_SAFE_INTEGER;
const DAY_MS = 86_400_000;

const STORAGE_SPEC = 'services/storage/storage.service.spec.ts';

const GATEWAY_SPEC = 'services/gateway/gateway-settings.spec.ts';
const JOURNAL_SIZES = `${STORAGE_SPEC}#journal_file_bytes and journal_files are the sizes of its journal`;
const SEEDED = 'services/controller/controller-settings.spec.ts#%s is what the cluster that it begins has as %s';
const SESSION_RANGE = `${STORAGE_SPEC}#group_min_session_timeout_ms and group_max_session_timeout_ms bound what a member may ask for`;
const OFFSETS_EXPIRE = `${STORAGE_SPEC}#forgets the offsets of a group without members after offsets_retention_minutes, at the next offsets_retention_check_interval_ms`;
const PRODUCERS_EXPIRE = `${STORAGE_SPEC}#forgets an idempotent producer after producer_id_expiration_ms, at the next log_retention_check_interval_ms`;
const REPLICATION_SETTINGS = `${STORAGE_SPEC}#replica_lag_time_max_ms and replica_catch_up_bytes_per_second are what replicas are kept by`;
const LOG_LINES =
  'test/process/settings.spec.ts#log_format is how lines look, log_level the least important ones that are written';
const CONNECTION_LIMITS = `${GATEWAY_SPEC}#max_connections and max_connections_per_ip bound how many connect`;

const bytes = (min: number, max: number) => wholeNumber({ min, max, unit: 'bytes' });

/** Settings with Kafka's names and defaults (dots become underscores), and those of our own storage. */
export const BROKER_SETTINGS = {
  durability: setting({
    kind: oneOf(['fsync', 'page-cache']),
    section: 'Storage',
    doc: 'What an acknowledged write means: "fsync" on the disk, "page-cache" handed to the operating system. Default of the topic config flush.messages.',
    defaultOf: always('fsync'),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  journal_dir: setting({
    kind: optionalPath(),
    section: 'Storage',
    doc: 'Puts the journals (a directory for each role) on another disk. To be given from the first start on: a journal is never begun anew.',
    defaultOf: always(undefined),
    defaultDoc: '<data_dir>/<role>/journal',
    provedBy: `${STORAGE_SPEC}#keeps its journal in journal_dir, and does not start without it`,
  }),
  journal_file_bytes: setting({
    // A file has to hold three groups of the largest batches (8 MiB each) and its own marks; the journal checks it.
    kind: bytes(25 * MIB, GIB),
    section: 'Storage',
    doc: 'Size of one preallocated journal file; rounded down to whole blocks of 4 KiB.',
    defaultOf: always(32 * MIB),
    provedBy: JOURNAL_SIZES,
  }),
  journal_files: setting({
    kind: wholeNumber({ min: 3, max: 1_024 }),
    section: 'Storage',
    doc: 'Number of journal files of the storage role; together they hold what is not yet in segments, and bound replay after a crash.',
    defaultOf: always(8),
    provedBy: JOURNAL_SIZES,
  }),
  tail_cache_bytes: setting({
    kind: bytes(MIB, 64 * GIB),
    section: 'Storage',
    doc: 'Memory for the newest batches, from which consumers that keep up are served.',
    defaultOf: always(64 * MIB),
    provedBy: `${STORAGE_SPEC}#serves fetches from the newest tail_cache_bytes without reading files, older ones from files`,
  }),
  disk_free_bytes_min: setting({
    kind: bytes(0, LONG_MAX),
    section: 'Storage',
    doc: 'Appends are refused when less than this would stay free on the disk; reads go on.',
    defaultOf: always(256 * MIB),
    provedBy: `${STORAGE_SPEC}#refuses appends while less than disk_free_bytes_min stays free, and still reads`,
  }),
  replica_lag_time_max_ms: setting({
    kind: wholeNumber({ min: 100, max: INT_MAX, unit: 'ms' }),
    section: 'Replication',
    doc: 'A follower that has not had everything for so long leaves the in-sync replicas. Kept by the leader of each partition.',
    defaultOf: always(10_000),
    provedBy: REPLICATION_SETTINGS,
  }),
  replica_catch_up_bytes_per_second: setting({
    kind: bytes(MIB, LONG_MAX),
    section: 'Replication',
    doc: 'Most bytes a second that a node sends to each other one for replicas that are behind: what has to be read from segments, and what a reassignment copies. New records are not held back by it.',
    defaultOf: always(128 * MIB),
    provedBy: REPLICATION_SETTINGS,
  }),
  auto_create_topics_enable: setting({
    kind: boolean(),
    section: 'Topics',
    doc: 'Create a topic when a client asks for one that is not there.',
    defaultOf: always(true),
    provedBy: `${GATEWAY_SPEC}#auto_create_topics_enable tells whether a topic is created when it is asked for`,
  }),
  num_partitions: setting({
    kind: wholeNumber({ min: 1, max: 10_000 }),
    section: 'Topics',
    doc: 'Partitions of a new topic where its creator names no number.',
    defaultOf: always(1),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  message_max_bytes: setting({
    kind: bytes(0, RECORD_BATCH_BYTES_MAX),
    section: 'Topics',
    doc: 'Largest record batch taken. Default of the topic config max.message.bytes.',
    defaultOf: always(1_048_588),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  log_segment_bytes: setting({
    kind: bytes(MIB, INT_MAX),
    section: 'Topics',
    doc: 'Size at which a new segment is begun. Default of the topic config segment.bytes.',
    defaultOf: always(GIB),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  log_retention_ms: setting({
    kind: wholeNumber({ min: -1, max: LONG_MAX, unit: 'ms' }),
    section: 'Topics',
    doc: 'How long records are kept, -1 for ever. Default of the topic config retention.ms.',
    defaultOf: always(7 * DAY_MS),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  log_retention_bytes: setting({
    kind: bytes(-1, LONG_MAX),
    section: 'Topics',
    doc: 'Bytes kept for each partition, -1 without limit. Default of the topic config retention.bytes.',
    defaultOf: always(-1),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  log_retention_check_interval_ms: setting({
    kind: wholeNumber({ min: 10, max: INT_MAX, unit: 'ms' }),
    section: 'Topics',
    doc: 'How often segments are looked through for what may be deleted.',
    defaultOf: always(300_000),
    provedBy: PRODUCERS_EXPIRE,
  }),
  producer_id_expiration_ms: setting({
    kind: wholeNumber({ min: 1_000, max: INT_MAX, unit: 'ms' }),
    section: 'Topics',
    doc: 'How long an idempotent producer that writes nothing is remembered.',
    defaultOf: always(DAY_MS),
    provedBy: PRODUCERS_EXPIRE,
  }),
  offsets_topic_num_partitions: setting({
    kind: wholeNumber({ min: 1, max: 1_000 }),
    section: 'Groups',
    doc: 'Partitions of __consumer_offsets, when it is created.',
    defaultOf: always(50),
    provedBy: `${GATEWAY_SPEC}#offsets_topic_num_partitions is how many partitions the offsets of groups get`,
  }),
  offsets_topic_replication_factor: setting({
    kind: wholeNumber({ min: 1, max: 32_767 }),
    section: 'Groups',
    doc: 'Replicas of __consumer_offsets, but no more than there are live brokers; more are added when brokers join.',
    defaultOf: always(3),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  offsets_retention_minutes: setting({
    kind: wholeNumber({ min: 1, max: INT_MAX, unit: 'minutes' }),
    section: 'Groups',
    doc: 'How long the offsets of a group without members are kept.',
    defaultOf: always(10_080),
    provedBy: OFFSETS_EXPIRE,
  }),
  offsets_retention_check_interval_ms: setting({
    kind: wholeNumber({ min: 10, max: INT_MAX, unit: 'ms' }),
    section: 'Groups',
    doc: 'How often expired offsets are looked for.',
    defaultOf: always(600_000),
    provedBy: OFFSETS_EXPIRE,
  }),
  offset_metadata_max_bytes: setting({
    kind: bytes(0, 32_767),
    section: 'Groups',
    doc: 'Largest metadata text of a committed offset.',
    defaultOf: always(4_096),
    provedBy: `${STORAGE_SPEC}#offset_metadata_max_bytes is how much text may stand beside an offset`,
  }),
  group_initial_rebalance_delay_ms: setting({
    kind: wholeNumber({ min: 0, max: 600_000, unit: 'ms' }),
    section: 'Groups',
    doc: 'How long the first rebalance of an empty group waits for more members.',
    defaultOf: ({ profile }) => (profile === 'development' ? 0 : 3_000),
    defaultDoc: '3000; 0 in development',
    provedBy: `${STORAGE_SPEC}#group_initial_rebalance_delay_ms is how long the first members of a group wait for others`,
  }),
  group_min_session_timeout_ms: setting({
    kind: wholeNumber({ min: 1, max: INT_MAX, unit: 'ms' }),
    section: 'Groups',
    doc: 'Shortest session timeout that a group member may ask for.',
    defaultOf: always(6_000),
    provedBy: SESSION_RANGE,
  }),
  group_max_session_timeout_ms: setting({
    kind: wholeNumber({ min: 1, max: INT_MAX, unit: 'ms' }),
    section: 'Groups',
    doc: 'Longest session timeout that a group member may ask for.',
    defaultOf: always(1_800_000),
    provedBy: SESSION_RANGE,
  }),
  group_max_size: setting({
    kind: wholeNumber({ min: 1, max: INT_MAX }),
    section: 'Groups',
    doc: 'Most members of one group.',
    defaultOf: always(INT_MAX),
    provedBy: `${STORAGE_SPEC}#takes no more members of a group than group_max_size`,
  }),
  max_connections: setting({
    kind: wholeNumber({ min: 1, max: 1_000_000 }),
    section: 'Limits',
    doc: 'Most client connections at a time; more are closed at once.',
    defaultOf: always(10_000),
    provedBy: CONNECTION_LIMITS,
  }),
  max_connections_per_ip: setting({
    kind: wholeNumber({ min: 1, max: 1_000_000 }),
    section: 'Limits',
    doc: 'Most client connections at a time from one IP address.',
    defaultOf: always(10_000),
    provedBy: CONNECTION_LIMITS,
  }),
  connections_max_idle_ms: setting({
    kind: wholeNumber({ min: 1_000, max: INT_MAX, unit: 'ms' }),
    section: 'Limits',
    doc: 'A connection on which nothing happens for so long is closed.',
    defaultOf: always(600_000),
    provedBy: `${GATEWAY_SPEC}#connections_max_idle_ms is how long a connection may be idle`,
  }),
  socket_request_max_bytes: setting({
    kind: bytes(KIB, INT_MAX),
    section: 'Limits',
    doc: 'Largest request; a connection that announces a larger one is closed.',
    defaultOf: always(100 * MIB),
    provedBy: `${GATEWAY_SPEC}#socket_request_max_bytes is the largest request`,
  }),
  max_in_flight_bytes_per_connection: setting({
    kind: bytes(KIB, 64 * GIB),
    section: 'Limits',
    doc: 'Bytes of unanswered requests of one connection, above which no more is read from it.',
    defaultOf: always(128 * MIB),
    provedBy: `${GATEWAY_SPEC}#max_in_flight_bytes_per_connection bounds what one connection has under way`,
  }),
  max_in_flight_bytes: setting({
    kind: bytes(MIB, 64 * GIB),
    section: 'Limits',
    doc: 'Bytes of unanswered requests of all connections, above which no more is read from any.',
    defaultOf: always(512 * MIB),
    provedBy: `${GATEWAY_SPEC}#max_in_flight_bytes bounds what all connections have under way, and the answers that clients do not take`,
  }),
  fetch_max_bytes: setting({
    kind: bytes(KIB, INT_MAX),
    section: 'Limits',
    doc: 'Most bytes of records in one fetch response, whatever the client asks for.',
    defaultOf: always(55 * MIB),
    provedBy: `${STORAGE_SPEC}#fetch_max_bytes is the most that a fetch finds, whatever is asked for`,
  }),
  max_incremental_fetch_session_cache_slots: setting({
    kind: wholeNumber({ min: 0, max: 1_000_000 }),
    section: 'Limits',
    doc: 'Most fetch sessions that are remembered; consumers without one send whole requests.',
    defaultOf: always(1_000),
    provedBy: `${GATEWAY_SPEC}#max_incremental_fetch_session_cache_slots is how many fetch sessions are remembered`,
  }),
  max_decompressed_message_bytes: setting({
    kind: bytes(KIB, 2_147_483_639),
    section: 'Limits',
    doc: "Largest batch after decompression, against decompression bombs. Lower than Kafka's 2147483639.",
    defaultOf: always(64 * MIB),
    scope: 'cluster',
    provedBy: SEEDED,
  }),
  log_level: setting({
    kind: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    section: 'Logging',
    doc: 'The least important messages that are logged.',
    defaultOf: always('info'),
    provedBy: LOG_LINES,
  }),
  log_format: setting({
    kind: oneOf(['json', 'pretty']),
    section: 'Logging',
    doc: '"json" for machines, one object a line; "pretty" for people.',
    defaultOf: ({ profile }) => (profile === 'development' ? 'pretty' : 'json'),
    defaultDoc: 'json; pretty in development',
    provedBy: LOG_LINES,
  }),
} as const;
