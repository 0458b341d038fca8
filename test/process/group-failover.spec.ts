import kafkajs, { type Admin, type Consumer, type Kafka, type Producer } from 'kafkajs';
import { partitionOfGroup } from '@streamline/runtime/groups/offsets-topic';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';

const TOPIC = 'work';
const PARTITIONS = 6;
const OFFSETS_TOPIC = '__consumer_offsets';
const OFFSETS_PARTITIONS = 4;
const GROUP = 'workers';
const OF_GROUP = partitionOfGroup(GROUP, OFFSETS_PARTITIONS);
const BEFORE_KILL = 40;
const IN_ALL = 100;
const SESSION_MS = 4_000;
/** Every wait is for something to become true, however busy the machine. */
const WITHIN_MS = 60_000;

let cluster: Cluster;
let kafka: Kafka;
let admin: Admin;
let producer: Producer;
const consumers: Consumer[] = [];
const consumed = new Set<string>();
/** Of each partition the highest offset that a member was told is committed, or that somebody read. */
const floors = new Map<number, number>();
/** Offsets that were lower than one known before. */
const regressions: string[] = [];
let acknowledgedCommits = 0;
let sent = 0;

dumpFailures(() => cluster);

interface OffsetsPartition {
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** The partitions of the offsets topic, as the cluster tells clients; undefined while it does not. */
async function offsetsTopic(): Promise<readonly OffsetsPartition[] | undefined> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [OFFSETS_TOPIC] }).catch(() => ({ topics: [] }));
  return topics[0]?.partitions.toSorted((one, other) => one.partitionId - other.partitionId);
}

function coordinator(what: string, holds: (node: number) => boolean): Promise<number> {
  return cluster.until(
    what,
    async () => {
      const leader = (await offsetsTopic())?.[OF_GROUP]?.leader ?? -1;
      return leader > 0 && holds(leader) && leader;
    },
    WITHIN_MS,
  );
}

function raise(partition: number, offset: number): void {
  floors.set(partition, Math.max(offset, floors.get(partition) ?? -1));
}

/** What is committed, each compared with what was known when it was asked; undefined where nobody answers now. */
async function committed(): Promise<ReadonlyMap<number, number> | undefined> {
  const known = new Map(floors);
  const answer = await admin.fetchOffsets({ groupId: GROUP, topics: [TOPIC] }).catch(() => undefined);
  if (answer === undefined) return undefined;
  const offsets = new Map((answer[0]?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)]));
  // A client that is finding the brokers anew may ask for no partition at all.
  for (const [partition, offset] of offsets) {
    const floor = known.get(partition) ?? -1;
    if (offset < floor) regressions.push(`${TOPIC}-${partition}: ${offset} was committed after ${floor}`);
    raise(partition, offset);
  }
  return offsets;
}

/**
 * A member that commits after each message, and takes errors as clients do: it goes on. kafkajs gives up a membership whose
 * coordinator refuses connections, and joins as another member, for whom the group waits until the session of the first is over.
 */
async function join(): Promise<void> {
  const consumer = kafka.consumer({ groupId: GROUP, sessionTimeout: SESSION_MS, heartbeatInterval: 300, maxWaitTimeInMs: 100 });
  consumers.push(consumer);
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      consumed.add(message.value?.toString() ?? '');
      const offset = Number(message.offset) + 1;
      const isCommitted = await consumer.commitOffsets([{ topic: TOPIC, partition, offset: String(offset) }]).then(
        () => true,
        () => false,
      );
      if (!isCommitted) return;
      acknowledgedCommits += 1;
      raise(partition, offset);
    },
  });
}

/** Each message is kept at until it is acknowledged by all. */
async function produceUntil(count: number): Promise<void> {
  while (sent < count) {
    const messages = [{ partition: sent % PARTITIONS, value: `value-${sent}` }];
    await cluster.until(`${sent} is acknowledged`, () => producer.send({ topic: TOPIC, acks: -1, messages }), WITHIN_MS);
    sent += 1;
  }
}

beforeAll(async () => {
  const flags = ['--profile', 'development', '--offsets-topic-num-partitions', String(OFFSETS_PARTITIONS)];
  flags.push('--group-min-session-timeout-ms', String(SESSION_MS));
  cluster = await Cluster.onLoopback({ nodes: 3, flags });
  await cluster.form(1);
  kafka = new kafkajs.Kafka({
    clientId: 'group-failover',
    brokers: cluster.nodes.map((node) => node.kafka),
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 60 },
    requestTimeout: 5_000,
  });
  admin = kafka.admin();
  producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
}, 2 * WITHIN_MS);

afterAll(async () => {
  await Promise.all([...consumers, producer, admin].map((client) => client.disconnect().catch(() => undefined)));
  await cluster.remove();
}, WITHIN_MS);

describe('the groups of a cluster', () => {
  it(
    'get a replicated offsets topic as soon as there are brokers for it',
    async () => {
      await admin.connect();
      const made = await cluster.until('the offsets topic is there', async () => {
        await admin.fetchOffsets({ groupId: GROUP }).catch(() => undefined);
        const partitions = await offsetsTopic();
        return partitions?.length === OFFSETS_PARTITIONS && partitions;
      });
      expect(made.map(({ replicas }) => replicas)).toEqual([[1], [1], [1], [1]]);
      await cluster.start(2, 3);
      await cluster.formed();
      const isWhole = ({ replicas, isr }: OffsetsPartition): boolean => replicas.length === 3 && isr.length === 3;
      await cluster.until('it has three replicas in sync', async () => (await offsetsTopic())?.every(isWhole), WITHIN_MS);
    },
    3 * WITHIN_MS,
  );

  it(
    'go on when their coordinator is killed, with every committed offset',
    async () => {
      await admin.createTopics({
        waitForLeaders: true,
        topics: [{ topic: TOPIC, numPartitions: PARTITIONS, replicationFactor: 3 }],
      });
      await producer.connect();
      await Promise.all([join(), join()]);
      await produceUntil(BEFORE_KILL);
      await cluster.until('the group commits', () => Promise.resolve(acknowledgedCommits >= BEFORE_KILL / 2), WITHIN_MS);
      const first = await coordinator('the group has a coordinator', () => true);
      await cluster.node(first).kill();
      let isOver = false;
      const watching = (async () => {
        while (!isOver) await committed();
      })();
      await coordinator('another node coordinates the group', (node) => node !== first);
      await produceUntil(IN_ALL);
      const commits = acknowledgedCommits;
      await cluster.until('all is consumed', () => Promise.resolve(consumed.size === IN_ALL), WITHIN_MS);
      await cluster.until('all is committed', async () => {
        const offsets = await committed();
        return [...(offsets?.values() ?? [])].reduce((sum, offset) => sum + offset, 0) === IN_ALL;
      });
      isOver = true;
      await watching;
      expect(regressions).toEqual([]);
      expect(acknowledgedCommits).toBeGreaterThan(commits);
    },
    4 * WITHIN_MS,
  );
});
