import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { createTopics } from '@streamline/wire/kafka/apis/19-create-topics';
import { Broker } from '../../../test/kit/broker';
import type { ClusterNode } from '../../../test/kit/cluster-node';

const CREATE_VERSION = 7;
const METADATA_VERSION = 12;
const LEADER_UNKNOWN = -1;

export interface Propagation {
  /** From the request for the topic to its answer. */
  readonly createMs: readonly number[];
  /**
   * From the moment when a client knows of a topic that it asked one node for, to the end of the first answer of another node
   * that has it, with a leader: one number a topic and other node. Not less than one request takes.
   */
  readonly seenMs: readonly number[];
  /** Answers of other nodes that lacked a topic which the client knew of. */
  readonly stale: number;
}

/** Makes topics of one partition over all nodes in turn, and asks all others for each until they show it. */
export async function measurePropagation(nodes: readonly ClusterNode[], changes: number): Promise<Propagation> {
  const brokers = await Promise.all(nodes.map(({ kafka }) => Broker.connect(kafka, 'bench')));
  const createMs: number[] = [];
  const seenMs: number[] = [];
  let stale = 0;
  for (let change = 0; change < changes; change += 1) {
    const name = `change-${change}`;
    const maker = brokers[change % brokers.length];
    if (maker === undefined) break;
    const askedMs = performance.now();
    await makeTopic(maker, name);
    const knownMs = performance.now();
    createMs.push(knownMs - askedMs);
    const others = brokers.filter((broker) => broker !== maker);
    await Promise.all(
      others.map(async (broker) => {
        while (!(await shows(broker, name))) stale += 1;
        seenMs.push(performance.now() - knownMs);
      }),
    );
  }
  await Promise.all(brokers.map((broker) => broker.close()));
  return { createMs, seenMs, stale };
}

async function makeTopic(broker: Broker, name: string): Promise<void> {
  const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
  const { topics } = await broker.request(createTopics, CREATE_VERSION, { topics: [topic] });
  if (topics[0]?.errorCode !== 0) throw new Error(`creating ${name}: ${topics[0]?.errorCode} ${topics[0]?.errorMessage}`);
}

async function shows(broker: Broker, name: string): Promise<boolean> {
  const { topics } = await broker.request(metadata, METADATA_VERSION, { topics: [{ name }], allowAutoTopicCreation: false });
  const [topic] = topics;
  return topic?.errorCode === 0 && topic.partitions.every(({ leaderId }) => leaderId !== LEADER_UNKNOWN);
}
