import { setTimeout as pause } from 'node:timers/promises';
import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { Broker, type TopicWish } from '../kit/broker';
import type { ClusterNode } from '../kit/cluster-node';

const RETRY_AFTER_MS = 20;

export async function withBroker<T>(node: ClusterNode, use: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = await Broker.connect(node.kafka);
  try {
    return await use(broker);
  } finally {
    await broker.close();
  }
}

export function createTopic(node: ClusterNode, name: string, wish?: TopicWish): Promise<string> {
  return withBroker(node, (broker) => broker.createTopic(name, wish));
}

/** Creates a topic of one partition on a broker of one's choice. */
export function createTopicOn(broker: number, node: ClusterNode, name: string): Promise<void> {
  return createReplicated([broker], node, name);
}

/** Creates a topic of one partition on brokers of one's choice, the first of which is to lead it. */
export function createReplicated(
  brokers: readonly number[],
  node: ClusterNode,
  name: string,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  return withBroker(node, async (connection) => {
    const assignments = [{ partitionIndex: 0, brokerIds: [...brokers] }];
    const values = Object.entries(configs).map(([key, value]) => ({ name: key, value }));
    const topics = [{ name, numPartitions: -1, replicationFactor: -1, assignments, configs: values }];
    const [answer] = (await connection.request(createTopics, 7, { topics })).topics;
    if (answer?.errorCode !== 0) throw new Error(`creating ${name}: ${answer?.errorCode} ${answer?.errorMessage}`);
  });
}

export interface PartitionView {
  readonly partition: number;
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** Topics as a node tells its clients of them. */
export function topicsAt(node: ClusterNode): Promise<Map<string, readonly PartitionView[]>> {
  return withBroker(node, async (broker) => {
    const { topics } = await broker.request(metadata, 12, { topics: null });
    return new Map(
      topics.map(({ name, partitions }) => [
        name ?? '',
        partitions
          .map(({ partitionIndex, leaderId, replicaNodes, isrNodes }) => ({
            partition: partitionIndex,
            leader: leaderId,
            replicas: replicaNodes,
            isr: isrNodes,
          }))
          .toSorted((one, other) => one.partition - other.partition),
      ]),
    );
  });
}

/** Creates topics over nodes in turn until it is told to stop; keeps the names of those that were acknowledged. */
export class TopicMaker {
  readonly acknowledged: string[] = [];
  private stopped = false;
  private readonly loop: Promise<void>;

  constructor(
    private readonly nodes: readonly ClusterNode[],
    private readonly prefix: string,
  ) {
    this.loop = this.run();
  }

  get made(): number {
    return this.acknowledged.length;
  }

  async stop(): Promise<readonly string[]> {
    this.stopped = true;
    await this.loop;
    return this.acknowledged;
  }

  private async run(): Promise<void> {
    for (let turn = 0; !this.stopped; turn += 1) {
      const node = this.nodes[turn % this.nodes.length];
      const name = `${this.prefix}-${turn}`;
      const created =
        node !== undefined &&
        (await createTopic(node, name).then(
          () => true,
          () => false,
        ));
      if (created) this.acknowledged.push(name);
      else await pause(RETRY_AFTER_MS);
    }
  }
}
