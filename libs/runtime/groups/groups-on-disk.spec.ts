import { describe, expect, it } from 'vitest';
import { DEFAULT_GROUP_CONFIG } from '@streamline/core/groups/group-config';
import { OFFSETS_TOPIC } from '@streamline/core/metadata/offsets-topic';
import type { BrokerEpoch, LeaderEpoch, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { NODE, OFFSETS_TOPIC_ID, StaticReplica, topicImage, turnOfTheLoop } from '@streamline/testing/groups/group-host-bench';
import { NO_PEERS } from '@streamline/testing/partitions/no-peers';
import { openTestEngine, TEST_DIRECTORY } from '@streamline/testing/log/log-fixtures';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { LogEngine } from '../log/log-engine';
import { PartitionHost } from '../partitions/partition-host';
import type { GroupCoordinators } from './group-coordinators';
import { createGroupCoordinators } from './group-coordinators';

const SEEDS = 40;
const GROUPS = 6;
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const fetchLimits = { maxBytes: 1 << 20, maxWaiting: 10 };

/** A node's groups on the shipped log engine, journal and partition host; only disk and time are not real. */
class DiskNode {
  private constructor(
    readonly clock: VirtualClock,
    readonly engine: LogEngine,
    readonly groups: GroupCoordinators,
  ) {}

  static async start(disk: MemoryDisk, epoch: number, seed: number): Promise<DiskNode> {
    const clock = new VirtualClock();
    const random = new SeededRandom(seed * 1_000 + epoch);
    const { engine } = await openTestEngine({ disk, clock, random });
    const topic = topicImage(OFFSETS_TOPIC, OFFSETS_TOPIC_ID, 2);
    const partitions = topic.partitions.map((partition) => ({ ...partition, leaderEpoch: epoch as LeaderEpoch }));
    const metadata = new StaticReplica([{ ...topic, partitions }]);
    const host = new PartitionHost({
      nodeId: NODE,
      engine,
      metadata,
      clock,
      disk,
      directory: TEST_DIRECTORY,
      log: quiet,
      replication: NO_PEERS,
      fetchLimits,
      producerIdExpirationMs: 86_400_000,
      onFatal: () => undefined,
    });
    const groups = createGroupCoordinators({
      nodeId: NODE,
      partitions: host,
      metadata,
      clock,
      random,
      config: { ...DEFAULT_GROUP_CONFIG, initialRebalanceDelayMs: 0 },
      limits: { maxBatchBytes: 2_000, rewriteMinBytes: 1_500, rewriteRatio: 2, rewriteStepBytes: 200, loadChunkBytes: 500 },
      logSink: quiet,
    });
    await groups.start();
    host.activate(1 as BrokerEpoch);
    const node = new DiskNode(clock, engine, groups);
    await node.until(() => groups.status().shards.length === 2 && groups.status().ready);
    return node;
  }

  async until(isSo: () => boolean): Promise<void> {
    for (let turn = 0; turn < 20_000; turn += 1) {
      if (isSo()) return;
      await turnOfTheLoop();
      if (turn % 50 === 49) this.clock.advance(10);
    }
    throw new Error(`it never came to be: ${JSON.stringify(this.groups.status())}`);
  }

  commit(groupId: string, partition: number, offset: number): Promise<{ errorCodes: number[] }> {
    const offsets = [
      { topic: 'orders', topicId: `${'T'.repeat(21)}A` as TopicId, partition, offset, leaderEpoch: 0, metadata: '' },
    ];
    return this.groups.commitOffsets({
      groupId,
      generationId: -1,
      memberId: '',
      retentionTimeMs: -1,
      offsets,
      apiVersion: 9,
      timeoutMs: 0,
    });
  }

  async committed(groupId: string, partition: PartitionIndex): Promise<number> {
    const topics = [{ topic: 'orders', topicId: '', partitions: [partition] }];
    const fetch = { groupId, topics, allTopics: false, requireStable: true, memberId: '', memberEpoch: -1 };
    const { errorCode, offsets } = await this.groups.fetchOffsets(fetch);
    expect(errorCode).toBe(0);
    return offsets[0]?.offset ?? -1;
  }
}

describe('committed offsets', () => {
  it('survive any crash once they are answered, also in the middle of a rewrite of their log', async () => {
    let rewrites = 0;
    let answers = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const random = new SeededRandom(seed);
      let disk = new MemoryDisk({ random: random.fork() });
      const answered = new Map<string, number>();
      const asked = new Map<string, number>();
      let offset = 0;
      for (let life = 1; life <= 4; life += 1) {
        const node = await DiskNode.start(disk, life, seed);
        let isAlive = true;
        for (const [place, least] of answered) {
          const [groupId = '', partition = '0'] = place.split('/');
          const found = await node.committed(groupId, Number(partition) as PartitionIndex);
          expect(found, `seed ${seed}, life ${life}, ${place}`).toBeGreaterThanOrEqual(least);
          expect(found).toBeLessThanOrEqual(asked.get(place) ?? -1);
        }
        void disk.stopAfter(random.integer(50, 1_500)).then(() => (isAlive = false));
        for (let turn = 0; turn < 300 && isAlive; turn += 1) {
          for (let count = random.integer(0, 3); count > 0; count -= 1) {
            const [groupId, partition] = [`g${random.integer(1, GROUPS)}`, random.integer(0, 1)];
            const place = `${groupId}/${partition}`;
            const mine = (offset += 1);
            asked.set(place, mine);
            void node.commit(groupId, partition, mine).then(({ errorCodes }) => {
              if (errorCodes[0] !== 0 || !isAlive) return;
              answers += 1;
              answered.set(place, Math.max(mine, answered.get(place) ?? -1));
            });
          }
          node.clock.advance(random.integer(0, 200));
          await turnOfTheLoop();
        }
        isAlive = false;
        rewrites += node.groups.metrics().rewrittenLogs;
        disk = random.chance(0.5) ? disk.crash(random.fork()) : disk.kill(random.fork());
      }
    }
    expect(rewrites).toBeGreaterThan(SEEDS);
    expect(answers).toBeGreaterThan(SEEDS * 50);
  }, 600_000);
});
