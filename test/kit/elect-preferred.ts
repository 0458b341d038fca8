import { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { electLeaders } from '@streamline/wire/kafka/apis/43-elect-leaders';
import type { Cluster } from './cluster';

/** The outcome for partition 0 of a topic of an election of its preferred leader: an error code, 0 where it leads now. */
export async function electPreferred(cluster: Cluster, topic: string, timeoutMs: number): Promise<number | undefined> {
  const [host = '', port] = cluster.node(1).kafka.split(':');
  const client = await KafkaClient.connect({ host, port: Number(port) });
  try {
    const topicPartitions = [{ topic, partitions: [0] }];
    const answer = await client.request(electLeaders, 2, { electionType: 0, topicPartitions, timeoutMs });
    return answer.replicaElectionResults[0]?.partitionResult[0]?.errorCode;
  } finally {
    await client.close();
  }
}
