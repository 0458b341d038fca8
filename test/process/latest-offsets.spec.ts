import { setTimeout as pause } from 'node:timers/promises';
import { ErrorCode } from '@streamline/core/types/error-code';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchOf, Broker, LATEST } from '../kit/broker';
import { Cluster, dumpFailures } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';

/** Every wait is for something to become true, however busy the machine. */
const WITHIN_MS = 120_000;
const ASK_EVERY_MS = 50;
const CREATE_VERSION = 7;

/** Of each topic where it is stored, the leader first, and how many replicas are needed. */
const TOPICS = [
  { name: 'alone', brokerIds: [1], needed: 1 },
  { name: 'two-needed', brokerIds: [1, 2, 3], needed: 2 },
  { name: 'all-needed', brokerIds: [1, 2, 3], needed: 3 },
] as const;

let cluster: Cluster;
let watch: OffsetWatch;

dumpFailures(() => cluster);

/** Asks every node all the while for the end of each topic, and for what is there, as a consumer that has read everything. */
class OffsetWatch {
  /** Answers that no consumer may get. */
  readonly wrong: string[] = [];
  /** By topic, the highest end that anybody was told. */
  readonly ends = new Map<string, number>();
  /** By topic, how often a leader could not tell the end yet. */
  readonly unknown = new Map<string, number>();
  private isOver = false;
  private readonly loops: Promise<void>[];

  constructor(nodes: readonly ClusterNode[]) {
    this.loops = nodes.map((node) => this.follow(node));
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.loops);
  }

  private async follow(node: ClusterNode): Promise<void> {
    while (!this.isOver) {
      const broker = await Broker.connect(node.kafka).catch(() => undefined);
      // A connection that breaks is a node that was killed.
      while (broker !== undefined && (await this.askAll(broker).catch(() => false))) await pause(ASK_EVERY_MS);
      await broker?.close().catch(() => undefined);
      await pause(ASK_EVERY_MS);
    }
  }

  private async askAll(broker: Broker): Promise<boolean> {
    for (const { name } of TOPICS) await this.ask(broker, name);
    return !this.isOver;
  }

  private async ask(broker: Broker, topic: string): Promise<void> {
    const known = this.ends.get(topic) ?? 0;
    const { errorCode, offset } = await broker.tryOffset(topic, 0, LATEST);
    const isUnknown = errorCode === ErrorCode.OFFSET_NOT_AVAILABLE;
    if (isUnknown) this.unknown.set(topic, (this.unknown.get(topic) ?? 0) + 1);
    // Whoever answers so leads.
    if (errorCode !== ErrorCode.NONE && !isUnknown) return;
    const end = Number(offset);
    if (!isUnknown && end < known) this.wrong.push(`${topic} ended at ${known}, and now at ${end}`);
    if (!isUnknown) this.ends.set(topic, Math.max(end, this.ends.get(topic) ?? 0));
    const fetched = await broker.tryFetch(topic, 0, known);
    if (fetched.errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) this.wrong.push(`${topic}: ${known} is out of range`);
  }
}

async function create({ name, brokerIds, needed }: (typeof TOPICS)[number], broker: Broker): Promise<void> {
  const configs = [{ name: 'min.insync.replicas', value: String(needed) }];
  const assignments = [{ partitionIndex: 0, brokerIds: [...brokerIds] }];
  const topic = { name, numPartitions: -1, replicationFactor: -1, assignments, configs };
  const [answer] = (await broker.request(createTopics, CREATE_VERSION, { topics: [topic] })).topics;
  expect(answer?.errorCode).toBe(ErrorCode.NONE);
}

/** Some more records in a topic, and everybody hears of them. */
async function grow(topic: string): Promise<void> {
  const before = watch.ends.get(topic) ?? 0;
  const isTaken = async (node: ClusterNode): Promise<boolean> => {
    const broker = await Broker.connect(node.kafka);
    try {
      return (await broker.tryProduce(topic, 0, batchOf(['a', 'b', 'c']))).errorCode === ErrorCode.NONE;
    } finally {
      await broker.close();
    }
  };
  await cluster.until(
    `${topic} takes records`,
    async () => {
      for (const node of cluster.running) if (await isTaken(node).catch(() => false)) return true;
      return false;
    },
    WITHIN_MS,
  );
  await cluster.until(`${topic} has grown`, () => Promise.resolve((watch.ends.get(topic) ?? 0) > before), WITHIN_MS);
}

async function growAll(): Promise<void> {
  for (const { name } of TOPICS) await grow(name);
}

beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3, flags: ['--profile', 'development'] });
  await cluster.form();
  const broker = await Broker.connect(cluster.node(1).kafka);
  for (const topic of TOPICS) await create(topic, broker);
  await broker.close();
  watch = new OffsetWatch(cluster.nodes);
  await growAll();
}, 3 * WITHIN_MS);

afterAll(async () => {
  await watch.stop();
  await cluster.remove();
});

describe('the end of a partition, as clients are told it', () => {
  it.each([
    ['killed', (node: ClusterNode) => node.kill()],
    ['stopped', (node: ClusterNode) => node.stop()],
  ])(
    'never goes back, nor is it out of range, where the broker that leads is %s and started again',
    async (_how, end) => {
      const node = cluster.node(1);
      await end(node);
      await grow('two-needed');
      await node.start();
      await growAll();
      expect(watch.wrong).toEqual([]);
    },
    4 * WITHIN_MS,
  );

  it(
    'is not told behind a restart of all nodes until enough of them are there to know it',
    async () => {
      await Promise.all(cluster.nodes.map((node) => node.kill()));
      watch.unknown.clear();
      const ends = new Map(watch.ends);
      await cluster.start(1, 2);
      await cluster.until(
        'somebody leads, and can not tell the end of what all three are needed for',
        () => Promise.resolve((watch.unknown.get('all-needed') ?? 0) > 0),
        WITHIN_MS,
      );
      expect(watch.ends.get('all-needed')).toBe(ends.get('all-needed'));
      await cluster.start(3);
      await growAll();
      expect(watch.wrong).toEqual([]);
    },
    4 * WITHIN_MS,
  );
});
