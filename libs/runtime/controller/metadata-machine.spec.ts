import { describe, expect, it } from 'vitest';
import type { MetadataRecord } from '@streamline/core/metadata/records';
import type { TouchedMetadata } from '@streamline/core/metadata/metadata-state';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { Entry } from '@streamline/core/raft/types';
import type { LeaderEpoch, MetadataIndex, NodeId, PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { MemoryStore, StoreMedium } from '@streamline/testing/controller/memory-store';
import type { Method } from '@streamline/testing/log/replace-method';
import { replaceMethod } from '@streamline/testing/log/replace-method';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { encodeRecord } from '../metadata/record-codec';
import { CommittedMetadata } from './committed-metadata';
import { MetadataMachine } from './metadata-machine';
import { GATHERED_RECORDS_MAX } from './state-builder';

const NODE = 1 as NodeId;
const TOPICS = 20;
const PARTITIONS = 1000;
const PIECE_BYTES = 10_000;

type Replay = [index: MetadataIndex, records: readonly MetadataRecord[], touched?: TouchedMetadata];

async function machine(
  onRestored?: (index: number) => void,
): Promise<{ readonly machine: MetadataMachine; readonly committed: CommittedMetadata }> {
  const committed = await CommittedMetadata.load({
    store: new MemoryStore(new StoreMedium()),
    clock: new VirtualClock(),
    window: { entriesMax: 100, bytesMax: 1024 * 1024 },
    onFailure: (error) => {
      throw error;
    },
    onRoom: () => undefined,
  });
  return { machine: new MetadataMachine(committed, onRestored), committed };
}

function topicRecords(at: number): readonly Uint8Array[] {
  const topicId = `topic${at}-`.padEnd(22, '0') as TopicId;
  const partitions = Array.from({ length: PARTITIONS }, (_, partition): MetadataRecord => {
    const moving = { addingReplicas: [], removingReplicas: [], failedReplicas: [] };
    const place = { topicId, partition: partition as PartitionIndex, leader: NODE, leaderEpoch: 0 as LeaderEpoch };
    return {
      kind: 'partition',
      ...place,
      replicas: [NODE],
      isr: [NODE],
      elr: [],
      lastKnownElr: [],
      ...moving,
      partitionEpoch: 0,
    };
  });
  return [{ kind: 'topic', topicId, name: `topic-${at}` } as const, ...partitions].map((record) => encodeRecord(record));
}

function entryAt(index: number): Entry {
  const rest = { term: 1, kind: 'records', id: undefined, configuration: undefined, timestampMs: 0, sizeBytes: 0 } as const;
  return { index, records: topicRecords(index), ...rest };
}

/** A machine's snapshot after `entries` topics. */
async function snapshotOf(entries: number): Promise<{ readonly bytes: Buffer; readonly state: MetadataState }> {
  const { machine: source, committed } = await machine();
  for (let index = 1; index <= entries; index++) source.apply([entryAt(index)]);
  return { bytes: Buffer.concat([...source.capture()]), state: committed.state };
}

/** `told`: of how many bytes were given away when more are asked for. */
async function* pieces(bytes: Buffer, told: (given: number) => void): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
    await Promise.resolve();
    told(from);
    yield bytes.subarray(from, from + PIECE_BYTES);
  }
}

describe('MetadataMachine', () => {
  it('replays a snapshot as it comes: never does it hold more than a few thousand records that are not replayed', async () => {
    const { bytes, state } = await snapshotOf(TOPICS);
    const { machine: target, committed } = await machine();
    let replayed = 0;
    const putBack = replaceMethod(MetadataState, 'apply', (original: Method<MetadataState, Replay, void>) => {
      return function (this: MetadataState, ...replay: Replay): void {
        replayed += replay[1].length;
        original.apply(this, replay);
      };
    });
    const held: number[] = [];
    try {
      await target.restore(
        TOPICS,
        pieces(bytes, (given) => held.push((given / bytes.length) * TOPICS * (PARTITIONS + 1) - replayed)),
      );
    } finally {
      putBack();
    }
    expect(replayed).toBe(TOPICS * (PARTITIONS + 1));
    expect(Math.max(...held)).toBeLessThan(1.1 * GATHERED_RECORDS_MAX);
    expect(committed.image.topics).toEqual(state.topics);
    expect(committed.image.index).toBe(TOPICS);
  });

  it('shows what it had until the snapshot is whole, also where that never comes', async () => {
    const { bytes } = await snapshotOf(2);
    const restored: number[] = [];
    const { machine: target, committed } = await machine((index) => restored.push(index));
    target.apply([entryAt(1)]);
    const before = committed.image;
    const topics: number[] = [];
    const cut = pieces(bytes.subarray(0, -1), () => topics.push(committed.image.topics.size));
    await expect(target.restore(2, cut)).rejects.toThrow(/ends within a record/);
    expect(committed.image).toBe(before);
    expect(new Set(topics)).toEqual(new Set([1]));
    await target.restore(
      2,
      pieces(bytes, () => undefined),
    );
    expect([target.appliedIndex, committed.image.topics.size, restored]).toEqual([2, 2, [2]]);
  });
});
