import { always, setting } from './setting';
import { boolean, oneOf, optionalPath, wholeNumber } from './value-kind';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const INT_MAX = 2_147_483_647;
const LONG_MAX = Number.MAX_SAFE_INTEGER;
const DAY_MS = 86_400_000;

const STORAGE_SPEC = 'services/storage/storage.service.spec.ts';

const JOURNAL_RING = 'libs/runtime/journal/journal-crash.spec.ts#keeps everything when power is lost while a full ring goes on';
const GROUPS_SPEC = 'libs/core/groups/kafka-behaviour.spec.ts';
const SEEDED =
  'services/controller/cluster-settings.spec.ts#begins a cluster with every setting of the node that is not the default, by its config name';
const SESSION_RANGE = `${GROUPS_SPEC}#answers a session timeout out of range with 26 and an empty group id with 24`;
const OFFSETS_EXPIRE =
  'libs/runtime/groups/group-coordinators.spec.ts#let offsets and groups expire every offsets.retention.check.interval.ms';
const CONNECTIONS_SPEC = 'libs/runtime/gateway/connection-server.spec.ts';
const CONNECTION_LIMITS = `${CONNECTIONS_SPEC}#refuses connections above max.connections and above max.connections.per.ip, and says so`;

const bytes = (min: number, max: number) => wholeNumber({ min, max, unit: 'bytes' });

/** Settings with Kafka's names and defaults (dots become underscores), and those of our own storage. */
export const BROKER_SETTINGS = {
  durability: setting({
    kind: oneOf(['fsync', 'page-cache']),
    section: 'Storage',
    doc: 'What an acknowledged write means: "fsync" on the disk, "page-cache" handed to the operating system. Default of the topic config flush.messages.',
    defaultOf: always('fsync'),
    scope: 'cluster',
    provedBy:
      'libs/core/metadata/topic-configs.spec.ts#reports flush.messages as its default 1 under fsync and 2^63-1 under page-cache durability',
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
    provedBy: JOURNAL_RING,
  }),
  journal_files: setting({
    kind: wholeNumber({ min: 3, max: 1_024 }),
    section: 'Storage',
    doc: 'Number of journal files of the storage role; together they hold what is not yet in segments, and bound replay after a crash.',
    defaultOf: always(8),
    provedBy: JOURNAL_RING,
  }),
  tail_cache_bytes: setting({
    kind: bytes(MIB, 64 * GIB),
    section: 'Storage',
    doc: 'Memory for the newest batches, from which consumers that keep up are served.',
    defaultOf: always(64 * MIB),
    provedBy:
      'libs/runtime/log/tail-cache.spec.ts#holds the newest batches of all partitions within tail_cache_bytes, and lets the oldest go first',
  }),
  disk_free_bytes_min: setting({
    kind: bytes(0, LONG_MAX),
    section: 'Storage',
    doc: 'Appends are refused when less than this would stay free on the disk; reads go on.',
    defaultOf: always(256 * MIB),
    provedBy: `${STORAGE_SPEC}#refuses appends while less than disk_free_bytes_min stays free, and still reads`,
  }),
  auto_create_topics_enable: setting({
    kind: boolean(),
    section: 'Topics',
    doc: 'Create a topic when a client asks for one that is not there.',
    defaultOf: always(true),
    provedBy: 'services/gateway/handlers/03-metadata.spec.ts#auto-create answers 3 first, and creates with the defaults',
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
    kind: bytes(0, INT_MAX),
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
    provedBy: 'libs/runtime/partitions/storage-role.spec.ts#applies retention at every interval',
  }),
  producer_id_expiration_ms: setting({
    kind: wholeNumber({ min: 1_000, max: INT_MAX, unit: 'ms' }),
    section: 'Topics',
    doc: 'How long an idempotent producer that writes nothing is remembered.',
    defaultOf: always(DAY_MS),
    provedBy: `${STORAGE_SPEC}#forgets an idempotent producer after producer_id_expiration_ms`,
  }),
  offsets_topic_num_partitions: setting({
    kind: wholeNumber({ min: 1, max: 1_000 }),
    section: 'Groups',
    doc: 'Partitions of __consumer_offsets, when it is created.',
    defaultOf: always(50),
    provedBy: 'services/gateway/handlers/groups.spec.ts#creates the offsets topic with offsets_topic_num_partitions of its node',
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
    provedBy: `${GROUPS_SPEC}#refuses metadata over 4096 characters with 12, and commits the other partitions`,
  }),
  group_initial_rebalance_delay_ms: setting({
    kind: wholeNumber({ min: 0, max: 600_000, unit: 'ms' }),
    section: 'Groups',
    doc: 'How long the first rebalance of an empty group waits for more members.',
    defaultOf: ({ profile }) => (profile === 'development' ? 0 : 3_000),
    defaultDoc: '3000; 0 in development',
    provedBy: `${GROUPS_SPEC}#waits group.initial.rebalance.delay.ms for the first generation, at most for the rebalance timeout`,
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
    provedBy: `${CONNECTIONS_SPEC}#closes an idle connection, but none that waits for an answer`,
  }),
  socket_request_max_bytes: setting({
    kind: bytes(KIB, INT_MAX),
    section: 'Limits',
    doc: 'Largest request; a connection that announces a larger one is closed.',
    defaultOf: always(100 * MIB),
    provedBy: 'libs/runtime/gateway/frame-assembler.spec.ts#refuses the length %d before taking memory for it',
  }),
  max_in_flight_bytes_per_connection: setting({
    kind: bytes(KIB, 64 * GIB),
    section: 'Limits',
    doc: 'Bytes of unanswered requests of one connection, above which no more is read from it.',
    defaultOf: always(128 * MIB),
    provedBy: `${CONNECTIONS_SPEC}#starts no more than maxInFlightBytes, but one request alone whatever its size`,
  }),
  max_in_flight_bytes: setting({
    kind: bytes(MIB, 64 * GIB),
    section: 'Limits',
    doc: 'Bytes of unanswered requests of all connections, above which no more is read from any.',
    defaultOf: always(512 * MIB),
    provedBy: `${CONNECTIONS_SPEC}#keeps within its budget while frames fill up on many connections, and still completes each`,
  }),
  fetch_max_bytes: setting({
    kind: bytes(KIB, INT_MAX),
    section: 'Limits',
    doc: 'Most bytes of records in one fetch response, whatever the client asks for.',
    defaultOf: always(55 * MIB),
    provedBy: 'libs/runtime/partitions/fetch-path.spec.ts#is bounded by the fetch.max.bytes of the broker too',
  }),
  max_incremental_fetch_session_cache_slots: setting({
    kind: wholeNumber({ min: 0, max: 1_000_000 }),
    section: 'Limits',
    doc: 'Most fetch sessions that are remembered; consumers without one send whole requests.',
    defaultOf: always(1_000),
    provedBy: 'libs/runtime/gateway/fetch-sessions.spec.ts#a full cache answers id 0',
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
    provedBy: 'libs/platform/lifecycle/logger.spec.ts#leaves out what is below the level',
  }),
  log_format: setting({
    kind: oneOf(['json', 'pretty']),
    section: 'Logging',
    doc: '"json" for machines, one object a line; "pretty" for people.',
    defaultOf: ({ profile }) => (profile === 'development' ? 'pretty' : 'json'),
    defaultDoc: 'json; pretty in development',
    provedBy: 'libs/platform/lifecycle/logger.spec.ts#writes one readable line a message in the pretty format',
  }),
} as const;
