import { readdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, dumpFailures } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';
import { electPreferred } from '../kit/elect-preferred';
import { ProducedTopic, WITHIN_MS } from '../kit/produced-topic';

const TOPIC = 'damaged';

let cluster: Cluster;
let topic: ProducedTopic;

dumpFailures(() => cluster);

beforeAll(async () => {
  cluster = await Cluster.onLoopback({ nodes: 3, flags: ['--profile', 'development'] });
  await cluster.form();
  // With durability page-cache records go to segments at once, and not to the journal first.
  const configEntries = [
    { name: 'min.insync.replicas', value: '2' },
    { name: 'flush.messages', value: '1000' },
  ];
  topic = await ProducedTopic.create(cluster, { topic: TOPIC, numPartitions: 1, replicationFactor: 3, configEntries });
}, 2 * WITHIN_MS);

afterAll(async () => {
  await topic.close();
  await cluster.remove();
});

/** Cuts the longest segment that the stopped node has to its half, as a file system does that was repaired. */
async function loseHalfASegment(node: ClusterNode): Promise<void> {
  const root = node.file('storage/partitions');
  const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith('.log'));
  const segments = await Promise.all(
    names.map(async (name) => ({ file: path.join(root, name), bytes: (await stat(path.join(root, name))).size })),
  );
  const [longest] = segments.toSorted((one, other) => other.bytes - one.bytes);
  if (longest === undefined || longest.bytes === 0) throw new Error(`node ${node.id} has no segment with records`);
  await truncate(longest.file, Math.floor(longest.bytes / 2));
}

async function lead({ id }: ClusterNode): Promise<void> {
  const others = cluster.nodes.map((node) => node.id).filter((other) => other !== id);
  const topics = [{ topic: TOPIC, partitionAssignment: [{ partition: 0, replicas: [id, ...others] }] }];
  await topic.admin.alterPartitionReassignments({ topics, timeout: WITHIN_MS });
  await topic.becomes('it is the preferred leader', ({ replicas }) => replicas[0] === id);
  await cluster.until('it is elected', async () => (await electPreferred(cluster, TOPIC, WITHIN_MS)) !== undefined, WITHIN_MS);
  await topic.becomes('it leads', ({ leader }) => leader === id);
}

describe('a replica of which a segment is damaged (LOG-15, LOG-19)', () => {
  it(
    'is given up as soon as it is read, while others serve everything, and copied anew by itself',
    async () => {
      await topic.becomes('all replicas are in sync', ({ isr }) => isr.length === 3);
      await topic.produce(60);
      const { leader } = await topic.becomes('it has a leader', (now) => now.leader > 0);
      const damaged = cluster.node((leader % 3) + 1);
      expect((await damaged.stop()).code).toBe(0);
      await loseHalfASegment(damaged);
      await damaged.start();
      await topic.becomes('it is in sync again', ({ isr }) => isr.length === 3);
      await topic.produce(5);
      await lead(damaged);
      expect(await topic.read()).toEqual(topic.acknowledged);
      await damaged.logs('a log failed and is not served');
      await damaged.logs('a log that had failed and began anew has everything that is committed');
      await topic.becomes('it is in sync once more', ({ isr }) => isr.length === 3);
      await lead(damaged);
      expect(await topic.read()).toEqual(topic.acknowledged);
    },
    3 * WITHIN_MS,
  );
});
