import { setTimeout as pause } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { ErrorCode } from '@streamline/core/types/error-code';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { updateFeatures } from '@streamline/wire/kafka/apis/57-update-features';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PATIENT_ELECTIONS } from '../guide/runs';
import { createTopic, createTopicOn, topicsAt, withBroker } from '../guide/topics';
import { Cluster, dumpFailures, STREAMLINE } from '../kit/cluster';
import type { ClusterNode } from '../kit/cluster-node';
import { eventually } from '../kit/conditions';
import { makeOlderBuild, OLDER_BUILD } from '../kit/older-build';

const VOTERS = [1, 2, 3];
/** Level 2 of ours, as clients are told it. */
const NEW_LEVEL = 33;
const UPGRADE = 1;
const FINALIZED = 'this cluster has finalized metadata.version at level 2';
const STEPS_BETWEEN = 20;
const RETRY_AFTER_MS = 20;
/** Ten times what a quiet machine takes. */
const UPGRADES_WITHIN_MS = 300_000;

const isOlder = new Set([...VOTERS, 4]);
let cluster: Cluster;

beforeAll(async () => {
  makeOlderBuild();
  cluster = await Cluster.onLoopback({
    nodes: 4,
    flags: PATIENT_ELECTIONS,
    programOf: (id) => (isOlder.has(id) ? [process.execPath, OLDER_BUILD] : [STREAMLINE]),
  });
  await cluster.form(...VOTERS);
});
afterAll(() => cluster.remove());
dumpFailures(() => cluster);

async function lead(id: number): Promise<void> {
  const leader = await cluster.leader();
  if (leader.id === id) return;
  const { code, text } = await leader.post('/api/v1/cluster/leader', { node_id: id });
  expect(code, text).toBe(200);
}

function finalize(node: ClusterNode) {
  const featureUpdates = [{ feature: 'metadata.version', maxVersionLevel: NEW_LEVEL, upgradeType: UPGRADE }];
  return withBroker(node, (broker) => broker.request(updateFeatures, 2, { featureUpdates, validateOnly: false }));
}

/** A client that goes on all the while: creates topics over all nodes in turn, and produces to a partition of each. */
class Work {
  readonly created: string[] = [];
  readonly acknowledged: { readonly id: number; readonly value: string }[] = [];
  /** What failed and may not have: a node that nobody restarted did not do what it was asked for. */
  readonly failures: string[] = [];
  private readonly kafka = new kafkajs.Kafka({
    clientId: 'rolling-upgrade',
    brokers: VOTERS.map((id) => cluster.node(id).kafka),
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 60 },
  });
  private readonly producer = this.kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  /** The node that is being restarted. */
  private away: ClusterNode | undefined;
  private stopped = false;
  private loops: Promise<unknown> | undefined;

  async begin(): Promise<void> {
    await this.producer.connect();
    this.loops = Promise.all([this.create(), this.produce()]);
  }

  /** Resolves when so much was done since, of both kinds. */
  async progress(): Promise<void> {
    const [topics, records] = [this.created.length + STEPS_BETWEEN, this.acknowledged.length + STEPS_BETWEEN];
    await cluster.until(`topics are created and records acknowledged; failures: ${this.failures.join('; ')}`, () =>
      Promise.resolve(this.created.length >= topics && this.acknowledged.length >= records),
    );
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.loops;
    await this.producer.disconnect();
  }

  /** Stops a node and starts it again as the other build, between work that is done before and behind it. */
  async upgrade(node: ClusterNode): Promise<void> {
    await this.progress();
    this.away = node;
    const { code } = await node.stop();
    expect(code, node.tail()).toBe(ExitCode.OK);
    isOlder.delete(node.id);
    await node.start();
    await cluster.formed(VOTERS);
    await eventually(`node ${node.id} serves clients`, async () => (await topicsAt(node)).size > 0);
    this.away = undefined;
    await this.progress();
  }

  /** Values that were acknowledged by the partition of a node, in order. */
  acknowledgedOf(id: number): string[] {
    return this.acknowledged.filter((each) => each.id === id).map(({ value }) => value);
  }

  private async create(): Promise<void> {
    for (let turn = 0; !this.stopped; turn += 1) {
      const node = cluster.node((turn % VOTERS.length) + 1);
      const name = `made-${turn}`;
      let isExcused = node === this.away;
      try {
        await createTopic(node, name);
        this.created.push(name);
      } catch (error) {
        isExcused ||= node === this.away;
        // Passed on a second time, since the leader that had carried it out took its leave before it answered.
        if (String(error).includes('already exists')) this.created.push(name);
        else if (!isExcused) this.failures.push(`${name} at node ${node.id}: ${error}`);
        await pause(RETRY_AFTER_MS);
      }
    }
  }

  private async produce(): Promise<void> {
    for (let number = 0; !this.stopped; number += 1) {
      const id = (number % VOTERS.length) + 1;
      const value = `value-${number}`;
      try {
        await this.producer.send({ topic: `kept-${id}`, messages: [{ partition: 0, value }] });
        this.acknowledged.push({ id, value });
      } catch (error) {
        this.failures.push(`${value}: ${error}`);
      }
    }
  }
}

describe('a rolling upgrade from one metadata.version to the next', { timeout: UPGRADES_WITHIN_MS }, () => {
  let work: Work;

  it('restarts three nodes as the newer build, one after the other, while a client creates topics and produces: nothing fails', async () => {
    for (const id of VOTERS) await createTopicOn(id, cluster.node(1), `kept-${id}`);
    work = new Work();
    await work.begin();
    await work.upgrade(cluster.node(1));
    await work.upgrade(cluster.node(2));
    expect(work.failures).toEqual([]);
  });

  it('refuses to raise the level as long as an older node is there, and names it', async () => {
    await lead(1);
    for (const id of VOTERS) {
      const answer = await eventually('the leader has heard what its followers support', async () => {
        const told = await finalize(cluster.node(id));
        return told.errorMessage?.includes('has not told') === false && told;
      });
      expect(answer).toMatchObject({ errorCode: ErrorCode.INVALID_UPDATE_VERSION });
      expect(answer.errorMessage).toMatch(/(Broker|Controller) 3 only supports versions 32/);
    }
    expect(work.failures).toEqual([]);
  });

  it('raises it once all are of the newer build', async () => {
    await work.upgrade(cluster.node(3));
    const answer = await eventually('every node has told what it supports', async () => {
      const told = await finalize(cluster.node(2));
      return told.errorCode === ErrorCode.NONE && told;
    });
    expect(answer.errorMessage).toBeNull();
    await work.progress();
    await work.stop();
    expect(work.failures).toEqual([]);
  });

  it('has kept every topic and every record that was acknowledged, once and in order', async () => {
    for (const node of cluster.running) {
      await cluster.until(`node ${node.id} knows all topics`, async () => {
        const known = await topicsAt(node);
        return work.created.every((name) => known.has(name));
      });
    }
    for (const id of VOTERS) {
      const values = await withBroker(cluster.node(id), (broker) => broker.readAll(`kept-${id}`));
      expect(values.map(({ value }) => value)).toEqual(work.acknowledgedOf(id));
    }
  });

  it('keeps an older node out then, which wants to join or was a member before: it says why and ends', async () => {
    await cluster.start(4);
    const joiner = cluster.node(4);
    expect(await joiner.command.end()).toEqual({ code: ExitCode.CLUSTER_REFUSED, signal: null });
    expect(joiner.log).toContain(`${FINALIZED}, but the node's version of Streamline supports levels 1 to 1 of it`);
    expect(joiner.log).toContain('start a version that supports level 2');

    const member = cluster.node(3);
    await member.stop();
    isOlder.add(3);
    await member.start();
    expect((await member.command.end()).code).not.toBe(ExitCode.OK);
    expect(member.latestLog).toContain('A newer version wrote it: start that version (or a newer one) on this data directory.');
    isOlder.delete(3);
    await member.start();
    await cluster.formed(VOTERS);
  });
});
