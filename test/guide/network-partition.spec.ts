import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Cluster } from '../kit/cluster';
import { dumpFailures } from '../kit/cluster';
import { StatusWatch, untruths } from '../kit/cluster-watch';
import { whyNoNetworks, type Network } from '../kit/netns';
import { guideNetwork, type GuideNetwork } from './guide-network';
import { NODE_1, NODE_2, NODE_3, NODE_4 } from './literal-commands';
import { RecordWriter } from './records';
import { createReplicated, createTopic, TopicMaker, topicsAt } from './topics';

const NO_LEADER = 'No leader elected — cluster may be starting or partitioned';

const whyNot = await whyNoNetworks();

describe.skipIf(whyNot !== undefined)(`Network Partition${whyNot ? ` (skipped: ${whyNot})` : ''}`, () => {
  let made: GuideNetwork;
  let network: Network;
  let cluster: Cluster;

  beforeAll(async () => {
    made = await guideNetwork([NODE_1, NODE_2, NODE_3, NODE_4]);
    ({ network, cluster } = made);
    await cluster.form(1, 2, 3);
  });
  afterEach(() => network.heal());
  afterAll(() => made.dispose());
  dumpFailures(() => cluster);

  it('"The minority side cannot elect a leader (needs majority).": "The majority side continues operating normally.", and every answer is true all the time; records that the majority acknowledges are there whole when all is healed', async () => {
    const old = await cluster.leader();
    const majority = cluster.running.filter((node) => node !== old);
    const replicas = [...majority, old].map(({ id }) => id);
    await createReplicated(replicas, old, 'replicated', { 'min.insync.replicas': '2' });
    const writer = new RecordWriter(majority, 'replicated');
    await cluster.until('records are written', () => Promise.resolve(writer.written >= 3));
    const watch = new StatusWatch(cluster.running);
    await network.cut(old.id);
    await cluster.leader(majority);
    const { code, body } = await cluster.statusOf(old.id, 'knows no leader', ({ body: shown }) => shown.leader_id === null);
    expect([code, body.healthy, body.health_reason]).toEqual([503, false, NO_LEADER]);
    expect(body.node_state).not.toBe('Leader');
    const maker = new TopicMaker(majority, 'majority');
    await cluster.until('the majority creates topics', () => Promise.resolve(maker.made >= 5));
    const topics = await maker.stop();
    await cluster.until('the majority goes on without the third replica', async () => {
      const [asked] = majority;
      return asked !== undefined && (await topicsAt(asked)).get('replicated')?.[0]?.isr.length === 2;
    });
    const before = writer.written;
    await cluster.until('the majority acknowledges records', () => Promise.resolve(writer.written >= before + 3));
    // Refused or not answered: what matters is that nothing which the minority was asked for was done.
    const refused = createTopic(old, 'minority').then(
      () => 'created',
      () => 'refused',
    );
    await cluster.statusOf(old.id, 'asks for votes', ({ body: shown }) => shown.node_state === 'Candidate');
    expect((await topicsAt(old)).has('majority-0')).toBe(false);
    const samples = await watch.stop();
    expect(untruths(samples)).toEqual([]);
    await network.heal();
    await cluster.formed([1, 2, 3]);
    await cluster.until('the third replica has caught up', async () => {
      return (await topicsAt(old)).get('replicated')?.[0]?.isr.length === replicas.length;
    });
    await writer.stop();
    await writer.expectAll(cluster.running);
    const outcome = await refused;
    const made = outcome === 'created' ? [...topics, 'minority'] : topics;
    for (const node of cluster.running) {
      await cluster.until(`node ${node.id} knows all topics`, async () => {
        const known = await topicsAt(node);
        return made.every((name) => known.has(name));
      });
    }
  });

  it('"When the partition heals, minority nodes rejoin and catch up.", without an election that nobody needs', async () => {
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    if (!follower) throw new Error('no follower runs');
    await network.cut(follower.id);
    const cutOff = await cluster.statusOf(follower.id, 'knows no leader', ({ body }) => body.leader_id === null);
    await createTopic(leader, 'missed');
    // Whoever begins no term takes no leadership away. That the leader stays: runbook.spec.ts, with timeouts that a busy machine keeps.
    const asking = await cluster.statusOf(follower.id, 'asks for votes', ({ body }) => body.node_state === 'Candidate');
    expect(asking.body.current_term).toBe(cutOff.body.current_term);
    await network.heal();
    expect(await cluster.formed([1, 2, 3])).not.toBe(follower.id);
    await cluster.until('it has what it missed', async () => (await topicsAt(follower)).has('missed'));
  });

  it('goes on without a leader that is heard and does not hear, and without one that hears and is not heard', async () => {
    for (const direction of ['in', 'out'] as const) {
      const old = await cluster.leader();
      const others = cluster.running.filter((node) => node !== old);
      const cuts = others.map(({ id }) => (direction === 'in' ? network.cutOneWay(id, old.id) : network.cutOneWay(old.id, id)));
      await Promise.all(cuts);
      await cluster.leader(others);
      await createTopic(others[0] ?? old, `one-way-${direction}`);
      await network.heal();
      await cluster.formed([1, 2, 3]);
    }
  });

  it('"Prevention: Use an odd number of nodes (3 or 5) across at least 2 failure domains.": four nodes in two halves are two minorities', async () => {
    await cluster.form(4);
    await network.cut(1, 2);
    for (const id of [1, 2, 3, 4]) {
      await cluster.statusOf(id, 'knows no leader', ({ body }) => body.leader_id === null && !body.healthy);
    }
    await network.heal();
    await cluster.formed([1, 2, 3, 4]);
  });
});
