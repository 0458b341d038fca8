import { describe, expect, it } from 'vitest';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { MetadataIndex } from '@streamline/core/types/ids';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { until } from '@streamline/testing/time/until';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import type {
  FollowMetadataRequest,
  FollowMetadataResponse,
} from '@streamline/wire/contracts/generated/streamline/controller/v1/controller';
import type { CallContext } from '@streamline/wire/contracts/port';
import { FollowingReplica } from './following-replica';
import type { MetadataChange } from './metadata-replica';
import { encodeRecord } from './record-codec';

/** A controller whose streams a test feeds by hand. */
class FakeController {
  readonly requests: FollowMetadataRequest[] = [];
  #queue: (FollowMetadataResponse | Error | 'end')[] = [];
  #wake: () => void = () => undefined;

  send(...events: (FollowMetadataResponse | Error | 'end')[]): void {
    this.#queue.push(...events);
    this.#wake();
  }

  async *followMetadata(request: FollowMetadataRequest, context?: CallContext): AsyncGenerator<FollowMetadataResponse> {
    this.requests.push(request);
    context?.signal?.addEventListener('abort', () => this.#wake());
    while (context?.signal?.aborted !== true) {
      const event = this.#queue.shift();
      if (event === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else if (event === 'end') return;
      else if (event instanceof Error) throw event;
      else yield event;
    }
  }
}

const CLUSTER: MetadataRecord = { kind: 'cluster', clusterId: 'clusterclustercluster0' as never };
const topic = (name: string): MetadataRecord => ({ kind: 'topic', topicId: `id-of-${name}`.padEnd(22, '_') as never, name });

function message(index: number, records: MetadataRecord[], rest: Partial<FollowMetadataResponse> = {}): FollowMetadataResponse {
  return {
    snapshotStart: false,
    snapshotEnd: false,
    records: records.map(encodeRecord),
    metadataIndex: index,
    committedIndex: index,
    ...rest,
  };
}

function snapshot(index: number, records: MetadataRecord[]): FollowMetadataResponse {
  return message(index, records, { snapshotStart: true, snapshotEnd: true });
}

function follow(isRetired: (error: unknown) => Promise<boolean> = () => Promise.resolve(false)) {
  const controller = new FakeController();
  const clock = new VirtualClock();
  const fatal: Error[] = [];
  const warnings: object[] = [];
  const changes: MetadataChange[] = [];
  const log = { info: () => undefined, warn: (fields: object) => void warnings.push(fields), error: () => undefined };
  const replica = new FollowingReplica({
    controller,
    clock,
    random: new SeededRandom(1),
    log,
    onFatal: (error) => fatal.push(error),
    isRetired,
  });
  replica.subscribe((change) => changes.push(change));
  const reached = (index: number) => replica.waitFor(index as MetadataIndex, 1_000_000);
  return { controller, clock, replica, fatal, warnings, changes, reached };
}

/** Moves time on until the replica has connected so many times. */
async function connections(controller: FakeController, clock: VirtualClock, count: number): Promise<void> {
  while (controller.requests.length < count) {
    clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('FollowingReplica', () => {
  it('starts once it shows what was committed, be it a snapshot in several messages', async () => {
    const { controller, replica, changes } = follow();
    const started = replica.start();
    controller.send(
      message(7, [CLUSTER, topic('a')], { snapshotStart: true }),
      message(7, [topic('b')], { snapshotEnd: true, committedIndex: 8 }),
      message(8, [topic('c')]),
    );
    await started;
    expect([...replica.image.topicIdsByName.keys()]).toEqual(['a', 'b', 'c']);
    expect(replica.image.index).toBe(8);
    expect(changes.map(({ isSnapshot, changedTopics }) => [isSnapshot, changedTopics.size])).toEqual([
      [true, 2],
      [false, 1],
    ]);
    expect([...(changes[0]?.changedConfigs ?? [])]).toEqual(['', 'a', 'b']);
    await replica.stop();
  });

  it('goes on where it was after its stream broke, with back-off, and never shows half a snapshot', async () => {
    const { controller, clock, replica, warnings } = follow();
    controller.send(snapshot(3, [CLUSTER, topic('a')]));
    await replica.start();
    controller.send(message(9, [CLUSTER, topic('x')], { snapshotStart: true }), new Error('connection reset'));
    await connections(controller, clock, 2);
    expect([...replica.image.topicIdsByName.keys()]).toEqual(['a']);
    controller.send('end');
    await connections(controller, clock, 3);
    controller.send(message(4, [topic('b')]));
    expect(await replica.waitFor(4 as MetadataIndex, 1_000_000)).toBe(true);
    expect(controller.requests.map(({ fromIndex }) => fromIndex)).toEqual([0, 4, 4]);
    expect(warnings).toMatchObject([{ reason: 'connection reset', failures: 1 }, { reason: 'ended' }]);
    await replica.stop();
  });

  it('tells after a snapshot which topics are gone', async () => {
    const { controller, replica, changes, reached } = follow();
    controller.send(snapshot(3, [CLUSTER, topic('a'), topic('b')]));
    await replica.start();
    controller.send(snapshot(9, [CLUSTER, topic('b')]));
    expect(await reached(9)).toBe(true);
    expect(changes[1]).toMatchObject({ isSnapshot: true, removedTopics: new Set(['id-of-a'.padEnd(22, '_')]) });
    await replica.stop();
  });

  it('answers a wait that is in vain when its time is over', async () => {
    const { controller, clock, replica } = follow();
    controller.send(snapshot(3, [CLUSTER]));
    await replica.start();
    const waiting = replica.waitFor(4 as MetadataIndex, 500);
    clock.advance(500);
    expect(await waiting).toBe(false);
    expect(await replica.waitFor(3 as MetadataIndex, 0)).toBe(true);
    await replica.stop();
  });

  it('ends for good at a record that it does not know, and at another cluster', async () => {
    const foreign = snapshot(9, [{ kind: 'cluster', clusterId: 'anotheranotheranother0' as never }]);
    const unknown = { ...message(4, []), records: [Buffer.from([0xfa, 0x01, 0])] };
    for (const [event, name] of [
      [foreign, 'ForeignClusterError'],
      [unknown, 'UnknownRecordError'],
    ] as const) {
      const { controller, replica, fatal } = follow();
      controller.send(snapshot(3, [CLUSTER]), event);
      await replica.start();
      await new Promise((resolve) => setImmediate(resolve));
      expect(fatal.map((error) => error.name)).toEqual([name]);
      expect(replica.image.clusterId).toBe('clusterclustercluster0');
      await replica.stop();
    }
  });

  it('ends for good, quietly, where whoever is asked about a failure says so', async () => {
    const asked: unknown[] = [];
    const { controller, clock, replica, warnings } = follow((error) => Promise.resolve(asked.push(error) === 2));
    controller.send(snapshot(3, [CLUSTER]), new Error('connection reset'));
    await replica.start();
    await connections(controller, clock, 2);
    controller.send(new Error('retired'));
    await until(() => asked.length === 2);
    clock.advance(100_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect([controller.requests.length, warnings.length]).toEqual([2, 1]);
    await replica.stop();
  });

  it('no longer tells those who left', async () => {
    const { controller, replica, changes, reached } = follow();
    let told = 0;
    const leave = replica.subscribe(() => told++);
    controller.send(snapshot(3, [CLUSTER]));
    await replica.start();
    leave();
    controller.send(message(4, [topic('a')]));
    expect(await reached(4)).toBe(true);
    expect([changes.length, told]).toEqual([2, 1]);
    await replica.stop();
  });
});
