import { afterEach, describe, expect, it } from 'vitest';
import { GatewayBench } from '@streamline/testing/gateway/gateway-bench';
import { PortError } from '@streamline/wire/contracts/port-error';
import type { GroupPort } from '@streamline/wire/contracts/ports';
import { offsetCommit } from '@streamline/wire/kafka/apis/08-offset-commit';
import { offsetFetch } from '@streamline/wire/kafka/apis/09-offset-fetch';
import { heartbeat } from '@streamline/wire/kafka/apis/12-heartbeat';
import { createGatewayRole, type GatewayRole } from '../gateway-role';

const CLUSTER = {
  brokers: [{ id: 1 }],
  topics: [
    { name: 'orders', leaders: [1] },
    { name: '__consumer_offsets', leaders: [1] },
  ],
};

let bench: GatewayBench<GatewayRole>;

/** Coordinators that answer a call when the test says so. */
class PatientCoordinator {
  readonly calls: string[] = [];
  private readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  private heard: () => void = () => undefined;

  readonly groups: Partial<GroupPort> = {
    commitOffsets: async ({ offsets }) => {
      await this.called(`commit ${offsets[0]?.offset}`);
      return { errorCodes: offsets.map(() => 0) };
    },
    fetchOffsets: async () => {
      await this.called('fetch');
      return { errorCode: 0, offsets: [] };
    },
    heartbeat: async () => {
      await this.called('heartbeat');
      return { errorCode: 0 };
    },
  };

  /** Answers the call that has waited longest, or has it fail. */
  answer(error?: Error): void {
    const next = this.waiting.shift();
    if (error === undefined) next?.resolve();
    else next?.reject(error);
  }

  async until(count: number): Promise<void> {
    while (this.calls.length < count) await new Promise<void>((resolve) => (this.heard = resolve));
  }

  private called(name: string): Promise<void> {
    this.calls.push(name);
    this.heard();
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}

/** Two commits, a fetch and a heartbeat, all sent at once; their answers in the order in which they come. */
async function pipeline(coordinator: PatientCoordinator, keepsOrder: true | undefined) {
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, groups: coordinator.groups, keepsOrder });
  const client = await bench.client();
  const answered: string[] = [];
  const commit = async (offset: bigint) => {
    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }] }];
    const answer = await client.request(offsetCommit, 8, { groupId: 'g', memberId: '', topics });
    answered.push(`commit ${offset}: ${answer.topics[0]?.partitions[0]?.errorCode}`);
  };
  const done = Promise.all([
    commit(1n),
    commit(2n),
    client.request(offsetFetch, 7, { groupId: 'g', topics: null }).then(() => answered.push('fetch')),
    client.request(heartbeat, 4, { groupId: 'g', generationId: 1, memberId: 'm' }).then(() => answered.push('heartbeat')),
  ]);
  return { answered, done };
}

afterEach(() => bench.close());

describe('pipelined requests to coordinators', () => {
  it('are all made, in order, before the first is answered, where the coordinator keeps the order', async () => {
    const coordinator = new PatientCoordinator();
    const { answered, done } = await pipeline(coordinator, true);
    await coordinator.until(4);
    expect(coordinator.calls).toEqual(['commit 1', 'commit 2', 'fetch', 'heartbeat']);
    expect(answered).toEqual([]);
    for (let i = 0; i < 4; i += 1) coordinator.answer();
    await done;
    expect(answered).toEqual(['commit 1: 0', 'commit 2: 0', 'fetch', 'heartbeat']);
  });

  it('wait for the answer before, also for one that fails, where calls could overtake each other on their way', async () => {
    const coordinator = new PatientCoordinator();
    const { answered, done } = await pipeline(coordinator, undefined);
    await coordinator.until(1);
    coordinator.answer(new PortError('unavailable', 'gone'));
    await coordinator.until(2);
    expect(coordinator.calls).toEqual(['commit 1', 'commit 2']);
    for (let made = 2; made < 4; made += 1) {
      coordinator.answer();
      await coordinator.until(made + 1);
      expect(coordinator.calls).toHaveLength(made + 1);
    }
    coordinator.answer();
    await done;
    expect(coordinator.calls).toEqual(['commit 1', 'commit 2', 'fetch', 'heartbeat']);
    expect(answered).toEqual(['commit 1: 15', 'commit 2: 0', 'fetch', 'heartbeat']);
  });
});
