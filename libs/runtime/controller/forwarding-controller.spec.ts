import type { MetadataImage } from '@streamline/core/metadata/image';
import type { MetadataIndex, NodeId } from '@streamline/core/types/ids';
import { fakePort } from '@streamline/testing/gateway/fake-port';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type { CallContext } from '@streamline/wire/contracts/port';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { ControllerPort } from '@streamline/wire/contracts/ports';
import { describe, expect, it } from 'vitest';
import { ForwardingController } from './forwarding-controller';
import type { LogStatus } from './metadata-log';

const UPDATE = { updates: [], validateOnly: false, timeoutMs: 0 };

/** A node that follows; who leads is `leaderId`, at the address `host<id>:9093`. */
class Follower {
  leaderId: number | undefined = 1;
  /** Of its own metadata, which does not move by itself. */
  index = 0;
  readonly leads = false;
  readonly clock = new VirtualClock();
  readonly asked: string[] = [];
  /** How long its own metadata was waited for, at most. */
  readonly waitsMs: number[] = [];
  /** What is told when a majority is gone; undefined while nobody wants to know. */
  majorityGone: (() => void) | undefined;
  readonly controller: ForwardingController;

  constructor(leaders: Readonly<Record<string, Partial<ControllerPort>>>) {
    this.controller = new ForwardingController({
      clock: this.clock,
      random: new SeededRandom(1),
      peers: {
        controllerAt: (address) => {
          this.asked.push(address);
          return fakePort(leaders[address] ?? {});
        },
      },
      local: () => ({
        role: fakePort({}),
        consensus: this,
        replica: {
          image: { index: this.index } as MetadataImage,
          waitFor: (_index, timeoutMs) => {
            this.waitsMs.push(timeoutMs);
            return Promise.resolve(false);
          },
        },
      }),
      outside: () => expect.fail('it is part of a cluster'),
      whenMajorityGone: (then) => {
        this.majorityGone = then;
        return () => (this.majorityGone = undefined);
      },
    });
  }

  get status(): LogStatus {
    return {
      nodeState: 'Follower',
      nodeId: 3 as NodeId,
      leaderId: this.leaderId as NodeId | undefined,
      leaderAddress: this.leaderId === undefined ? undefined : `host${this.leaderId}:9093`,
      term: 1,
      committedIndex: 0 as MetadataIndex,
      voters: [],
      learners: [],
    };
  }

  /** Lets time pass, a little at a time, with all that comes of it. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      this.clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** Never answers, and notices when nobody waits any more. */
function silent(_request: unknown, { signal }: CallContext = {}): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(new PortError('cancelled', 'the caller gave up')));
  });
}

describe('a command that is forwarded', () => {
  it('moves on to the next leader when its own falls silent, and not before there is one', async () => {
    const done = { error: undefined, metadataIndex: 0 };
    const follower = new Follower({
      'host1:9093': { updateFeatures: silent },
      'host2:9093': { updateFeatures: () => Promise.resolve(done) },
    });
    const answer = follower.controller.updateFeatures(UPDATE, { deadlineMs: 30_000 });
    await follower.pass(500);
    follower.leaderId = undefined;
    await follower.pass(500);
    expect(follower.asked).toEqual(['host1:9093']);
    follower.leaderId = 2;
    await follower.pass(200);
    expect(await answer).toBe(done);
    expect(follower.asked).toEqual(['host1:9093', 'host2:9093']);
    expect(follower.clock.nextTimerInMs, 'nothing goes on behind the answer').toBeUndefined();
  });

  it('that creates topics names their ids, the same when it is sent again: what it created is not there already', async () => {
    const asked: (string | undefined)[] = [];
    const created = (topicId = '') => ({ name: 't', topicId, error: undefined, partitions: 1, replicationFactor: 1 });
    const drawnAt: (number | undefined)[] = [];
    const createTopics: ControllerPort['createTopics'] = ({ topics, drawnAtIndex }) => {
      asked.push(topics[0]?.topicId);
      drawnAt.push(drawnAtIndex);
      node.index = 30;
      if (asked.length === 1) return Promise.reject(new PortError('unavailable', 'the connection broke'));
      return Promise.resolve({ topics: topics.map(({ topicId }) => created(topicId)), metadataIndex: 0 });
    };
    const node = new Follower({ 'host1:9093': { createTopics } });
    node.index = 12;
    const topics = [{ name: 't', partitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
    const answered = node.controller.createTopics({ topics, validateOnly: false, timeoutMs: 1_000 });
    await node.pass(1_000);
    expect((await answered).topics).toEqual([created(asked[0])]);
    expect(asked).toHaveLength(2);
    expect(asked[0]).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/);
    expect(asked[1]).toBe(asked[0]);
    expect(drawnAt, 'what it had seen when it drew them').toEqual([12, 12]);
    const [told] = asked;
    void node.controller.createTopics({
      topics: topics.map((topic) => ({ ...topic, topicId: told })),
      validateOnly: false,
      timeoutMs: 1_000,
      drawnAtIndex: 5,
    });
    await node.pass(10);
    expect([asked[2], drawnAt[2]], 'of another node').toEqual([told, 5]);
  });

  it('has one deadline for all of it: attempts, and the wait until its effect is seen here', async () => {
    const deadlinesMs: (number | undefined)[] = [];
    const follower = new Follower({
      'host1:9093': {
        updateFeatures: async (_request, { deadlineMs } = {}) => {
          deadlinesMs.push(deadlineMs);
          await new Promise<void>((resolve) => follower.clock.schedule(400, resolve));
          if (deadlinesMs.length === 1) throw new PortError('unavailable', 'it leads no longer');
          return { error: undefined, metadataIndex: 7 };
        },
      },
    });
    const answer = follower.controller.updateFeatures(UPDATE, { deadlineMs: 1_000 });
    await follower.pass(1_000);
    expect(await answer).toMatchObject({ metadataIndex: 7 });
    expect(deadlinesMs[0]).toBe(1_000);
    expect(deadlinesMs[1]).toBeLessThanOrEqual(600);
    expect(follower.waitsMs).toHaveLength(1);
    expect(follower.waitsMs[0]).toBeLessThanOrEqual(200);
  });

  it('is given up by the caller at any time', async () => {
    const follower = new Follower({ 'host1:9093': { updateFeatures: silent } });
    const caller = new AbortController();
    const answer = follower.controller.updateFeatures(UPDATE, { deadlineMs: 30_000, signal: caller.signal });
    const failed = expect(answer).rejects.toMatchObject({ code: 'cancelled' });
    await follower.pass(100);
    caller.abort();
    await failed;
    expect(follower.clock.nextTimerInMs).toBeUndefined();
  });

  it('is waited for by a broker that leaves only as long as a majority is there that could commit it', async () => {
    const follower = new Follower({ 'host1:9093': { brokerHeartbeat: silent } });
    const beat = { brokerId: 3, brokerEpoch: 1, appliedMetadataIndex: 0, wantFence: false, features: [] };
    const stays = follower.controller.brokerHeartbeat({ ...beat, wantShutdown: false }, { deadlineMs: 1_000 });
    const staysFailed = expect(stays).rejects.toThrow();
    await follower.pass(100);
    expect(follower.majorityGone).toBeUndefined();
    const leaves = follower.controller.brokerHeartbeat({ ...beat, wantShutdown: true }, { deadlineMs: 1_000 });
    const leavesFailed = expect(leaves).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('majority') as string,
    });
    await follower.pass(100);
    follower.majorityGone?.();
    await leavesFailed;
    expect(follower.majorityGone, 'nobody listens any more').toBeUndefined();
    follower.leaderId = 2;
    await follower.pass(1_000);
    await staysFailed;
  });

  it('sends a proposal for an ISR once: only its leader may try again, knowing that it does', async () => {
    let sendings = 0;
    const lost = (): Promise<never> => {
      sendings++;
      return Promise.reject(new PortError('unavailable', 'the connection broke'));
    };
    const follower = new Follower({ 'host1:9093': { alterPartition: lost } });
    const request = { brokerId: 3, brokerEpoch: 1, partitions: [] };
    await expect(follower.controller.alterPartition(request, { deadlineMs: 30_000 })).rejects.toMatchObject({
      code: 'unavailable',
    });
    expect(sendings).toBe(1);
  });

  it('gives no verdict on an ISR that its own metadata does not show: nobody is to act on configs that are over', async () => {
    const verdict = { error: undefined, partitions: [], metadataIndex: 7 };
    const follower = new Follower({ 'host1:9093': { alterPartition: () => Promise.resolve(verdict) } });
    const request = { brokerId: 3, brokerEpoch: 1, partitions: [] };
    await expect(follower.controller.alterPartition(request)).rejects.toMatchObject({ code: 'deadline' });
    follower.index = 7;
    expect(await follower.controller.alterPartition(request)).toBe(verdict);
  });
});
