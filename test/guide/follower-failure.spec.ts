import { isDeepStrictEqual } from 'node:util';
import { ErrorCode } from '@streamline/core/types/error-code';
import { electLeaders } from '@streamline/wire/kafka/apis/43-elect-leaders';
import { alterPartitionReassignments } from '@streamline/wire/kafka/apis/45-alter-partition-reassignments';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { batchOf } from '../kit/broker';
import { Cluster, dumpFailures } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';
import { StatusWatch, untruths } from '../kit/cluster-watch';
import { RecordWriter } from './records';
import { PATIENT_ELECTIONS } from './runs';
import { createReplicated, createTopic, topicsAt, withBroker } from './topics';

/** Instead of the guide's 10 s, so that the spec is short; config-reference.spec.ts knows the default. */
const SESSION_TIMEOUT_MS = 4_000;
/** How far before its end a session may be seen as ended: heartbeats come a few times in it, the last one counts, and on a busy machine it was late. */
const EARLIEST_SHARE = 0.4;
const RECORDS = 5;
const SNAPSHOT_INTERVAL_LOGS = 20;
/** Far more than what is committed while a node is away that is started again at once. */
const LOGS_KEPT = 40;
const PURGED_AT_ONCE = 10;
const SEEN_GONE = 'the process of a broker is gone';
const FROM_SNAPSHOT = 'took a snapshot of the metadata from the leader';

let cluster: Cluster;
beforeAll(async () => {
  const snapshots = [
    ...['--snapshot-interval-logs', String(SNAPSHOT_INTERVAL_LOGS), '--max-logs-in-snapshot', String(LOGS_KEPT)],
    ...['--purge-batch-size', String(PURGED_AT_ONCE)],
  ];
  const flags = ['--session-timeout-ms', String(SESSION_TIMEOUT_MS), ...snapshots, ...PATIENT_ELECTIONS];
  cluster = await Cluster.onLoopback({ nodes: 3, flags });
  await cluster.form();
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

/** Milliseconds until the leader shows the broker of a node as Dead. */
async function deadAfterMs(leader: ClusterNode, node: ClusterNode): Promise<number> {
  const beganMs = performance.now();
  await cluster.until(`node ${node.id} is Dead`, async () => {
    const { body } = await leader.members();
    return body.members.some((member) => member.node_id === node.id && member.broker_state === 'Dead');
  });
  return performance.now() - beganMs;
}

async function running(leader: ClusterNode, node: ClusterNode): Promise<void> {
  await cluster.until(`node ${node.id} is Running`, async () => {
    const { body } = await leader.members();
    return body.members.some((member) => member.node_id === node.id && member.broker_state === 'Running');
  });
}

async function aFollower(): Promise<[leader: ClusterNode, follower: ClusterNode]> {
  const leader = await cluster.leader();
  const [follower] = await cluster.followers();
  if (!follower) throw new Error('no follower runs');
  return [leader, follower];
}

/** Resolves when just these brokers are in sync with the one partition of a topic, as `node` tells its clients. */
function inSync(node: ClusterNode, topic: string, brokers: readonly number[]): Promise<boolean> {
  return cluster.until(`brokers ${brokers.join()} are in sync with ${topic}`, async () => {
    const isr = (await topicsAt(node)).get(topic)?.[0]?.isr ?? [];
    return isr.length === brokers.length && brokers.every((id) => isr.includes(id));
  });
}

/** Has a node lead the one partition of a topic, of which it has a replica that is in sync. */
function leadsFromNowOn(node: ClusterNode, topic: string, replicas: readonly number[]): Promise<boolean> {
  return withBroker(node, async (broker) => {
    const partitions = [{ partitionIndex: 0, replicas: [...replicas] }];
    const order = { allowReplicationFactorChange: true, topics: [{ name: topic, partitions }] };
    await broker.request(alterPartitionReassignments, 1, { timeoutMs: 10_000, ...order });
    const topicPartitions = [{ topic, partitions: [0] }];
    await broker.request(electLeaders, 2, { electionType: 0, topicPartitions, timeoutMs: 10_000 });
    return cluster.until(`node ${node.id} leads ${topic}`, async () => {
      return (await topicsAt(node)).get(topic)?.[0]?.leader === node.id;
    });
  });
}

/** Resolves when a node has applied all that the leader has committed. */
async function caughtUp(leader: ClusterNode, node: ClusterNode): Promise<void> {
  const committed = (await leader.shown()).body.committed_log_index ?? Number.NaN;
  await cluster.statusOf(
    node.id,
    `applied ${committed}`,
    ({ body }) => body.healthy && (body.applied_log_index ?? 0) >= committed,
  );
}

describe('Follower Failure', () => {
  it('"The leader detects the follower is unreachable after `session_timeout_ms`." where it is silent; "Writes continue", and it "catches up from the leader\'s log" when it recovers', async () => {
    const [leader, follower] = await aFollower();
    const watch = new StatusWatch(cluster.nodes.filter((node) => node !== follower));
    follower.freeze();
    const afterMs = await deadAfterMs(leader, follower);
    expect(afterMs).toBeGreaterThan(EARLIEST_SHARE * SESSION_TIMEOUT_MS);
    expect(leader.latestLog).not.toContain(SEEN_GONE);
    await createTopic(leader, 'while-silent', { partitions: 4 });
    const leaders = (await topicsAt(leader)).get('while-silent')?.map((partition) => partition.leader);
    expect(leaders).toHaveLength(4);
    expect(leaders).not.toContain(follower.id);
    for (const [partition, id] of (leaders ?? []).entries()) {
      await cluster.until(`node ${id} takes a record of while-silent-${partition}`, () =>
        withBroker(cluster.node(id), async (broker) => {
          return (await broker.tryProduce('while-silent', partition, batchOf(['kept']))).errorCode === ErrorCode.NONE;
        }),
      );
    }
    follower.thaw();
    await caughtUp(leader, follower);
    await running(leader, follower);
    await cluster.until('both tell the same of the topic', async () => {
      const [own, told] = await Promise.all([follower, leader].map(async (node) => (await topicsAt(node)).get('while-silent')));
      return told !== undefined && isDeepStrictEqual(own, told);
    });
    expect(untruths(await watch.stop())).toEqual([]);
  });

  it('"The follower is removed from ISR lists for its partitions.": "Writes continue as long as `min_insync_replicas` is satisfied.", and are refused where it is not; it is back in the lists once it has caught up', async () => {
    const [leader, follower] = await aFollower();
    const replicas = [leader, ...cluster.nodes.filter((node) => node !== leader)].map(({ id }) => id);
    const least = { 'two-needed': 2, 'all-needed': 3 };
    for (const [topic, count] of Object.entries(least)) {
      await createReplicated(replicas, leader, topic, { 'min.insync.replicas': String(count) });
      await inSync(leader, topic, replicas);
    }
    const write = (topic: string): Promise<number> =>
      withBroker(leader, async (broker) => (await broker.tryProduce(topic, 0, batchOf(['written']))).errorCode);
    for (const topic of Object.keys(least)) {
      await cluster.until(`${topic} takes a record`, async () => (await write(topic)) === ErrorCode.NONE);
    }
    follower.freeze();
    const others = replicas.filter((id) => id !== follower.id);
    for (const topic of Object.keys(least)) await inSync(leader, topic, others);
    expect(await write('two-needed')).toBe(ErrorCode.NONE);
    expect(await write('all-needed')).toBe(ErrorCode.NOT_ENOUGH_REPLICAS);
    follower.thaw();
    for (const topic of Object.keys(least)) await inSync(leader, topic, replicas);
    await cluster.until('all writes go on', async () => (await write('all-needed')) === ErrorCode.NONE);
    const read = await withBroker(leader, (broker) => broker.readAll('two-needed'));
    expect(read.map(({ value }) => value)).toEqual(['written', 'written']);
  });

  it('"Data impact: None, as long as `min_insync_replicas` other nodes are alive.": records go on being acknowledged by two of three replicas, and all of them are read back whole, also from the replica that was gone', async () => {
    const [leader, follower] = await aFollower();
    const [other] = cluster.nodes.filter((node) => node !== leader && node !== follower);
    if (!other) throw new Error('the cluster has three nodes');
    await createReplicated([leader.id, other.id, follower.id], leader, 'unharmed', { 'min.insync.replicas': '2' });
    await inSync(leader, 'unharmed', [1, 2, 3]);
    const writer = new RecordWriter([leader, other, follower], 'unharmed');
    const writes = (count: number): Promise<boolean> => {
      const before = writer.written;
      return cluster.until('records are written', () => Promise.resolve(writer.written >= before + count));
    };
    await writes(RECORDS);
    await follower.kill();
    await inSync(leader, 'unharmed', [leader.id, other.id]);
    await writes(RECORDS);
    await follower.start();
    await inSync(leader, 'unharmed', [1, 2, 3]);
    await writes(RECORDS);
    await writer.stop();
    await writer.expectAll();
    await leadsFromNowOn(follower, 'unharmed', [follower.id, leader.id, other.id]);
    await writer.expectAll([follower]);
  });

  it('"When the follower recovers, it catches up from the leader\'s log or snapshot.": from a snapshot where the log it lacks is purged', async () => {
    const [leader, follower] = await aFollower();
    await follower.kill();
    console.log(`Dead after kill -9, ms: ${Math.round(await deadAfterMs(leader, follower))}`);
    const topics = SNAPSHOT_INTERVAL_LOGS + LOGS_KEPT;
    for (let n = 0; n < topics; n += 1) await createTopic(leader, `purged-${n}`);
    await follower.start();
    await caughtUp(leader, follower);
    await running(leader, follower);
    expect(follower.latestLog).toContain(FROM_SNAPSHOT);
    const known = await topicsAt(follower);
    expect(Array.from({ length: topics }, (_, n) => `purged-${n}`).filter((name) => !known.has(name))).toEqual([]);
  });

  it('"increase `max_logs_in_snapshot` to give new nodes more time to catch up from logs": within that many entries no snapshot is needed; and a process that is gone is known to be, before its session ends', async () => {
    const [leader, follower] = await aFollower();
    // Behind its start, or its session could begin at the leader when its connection is gone already: then only silence tells.
    await inSync(
      leader,
      'two-needed',
      cluster.nodes.map(({ id }) => id),
    );
    await follower.kill();
    await leader.logs(SEEN_GONE);
    for (let n = 0; n < 2; n += 1) await createTopic(leader, `logged-${n}`);
    await follower.start();
    await caughtUp(leader, follower);
    expect((await topicsAt(follower)).has('logged-1')).toBe(true);
    expect(follower.latestLog).not.toContain(FROM_SNAPSHOT);
  });
});
