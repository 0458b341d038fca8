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
async function pipeline(coordinator: PatientCoordinator) {
  bench = await GatewayBench.start(createGatewayRole, { cluster: CLUSTER, groups: coordinator.groups });
  const client = await bench.client();
  const answered: string[] = [];
  const commit = async (offset: bigint) => {
    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }] }];
    const answer = await client.request(offsetCommit, 8, { groupId: 'g', memberId: '', topics });
    answered.push(`commit ${offset}: ${answer.topics[0]?.partitions[0]?.errorCode}`);
  };
  const fetch = async () => {
    const { errorCode } = await client.request(offsetFetch, 7, { groupId: 'g', topics: null });
    answered.push(`fetch: ${errorCode}`);
  };
  const beat = async () => {
    const { errorCode } = await client.request(heartbeat, 4, { groupId: 'g', generationId: 1, memberId: 'm' });
    answered.push(`heartbeat: ${errorCode}`);
  };
  const done = Promise.all([commit(1n), commit(2n), fetch(), beat()]);
  return { answered, done };
}

afterEach(() => bench.close());

describe('pipelined requests to coordinators', () => {
  it('are all made, in order, before the first is answered', async () => {
    const coordinator = new PatientCoordinator();
    const { answered, done } = await pipeline(coordinator);
    await coordinator.until(4);
    expect(coordinator.calls).toEqual(['commit 1', 'commit 2', 'fetch', 'heartbeat']);
    expect(answered).toEqual([]);
    for (let i = 0; i < 4; i += 1) coordinator.answer();
    await done;
    expect(answered).toEqual(['commit 1: 0', 'commit 2: 0', 'fetch: 0', 'heartbeat: 0']);
  });

  it('fail alone, with a code on which clients try again', async () => {
    const coordinator = new PatientCoordinator();
    const { answered, done } = await pipeline(coordinator);
    await coordinator.until(4);
    coordinator.answer(new PortError('unavailable', 'gone'));
    coordinator.answer();
    coordinator.answer(new PortError('unavailable', 'gone'));
    coordinator.answer(new PortError('overloaded', 'too much waits'));
    await done;
    expect(answered).toEqual(['commit 1: 15', 'commit 2: 0', 'fetch: 16', 'heartbeat: 15']);
  });
});
