import { ErrorCode } from '@streamline/core/types/error-code';
import type { PartitionIndex, TopicId } from '@streamline/core/types/ids';
import { Violation } from '@streamline/testing/raft/violation';
import type { DeletedRecords } from '@streamline/wire/contracts/generated/streamline/storage/v1/partition';
import { Client } from './client';
import { DATA_TOPIC } from './client-world';
import { fetchFrom, valuesIn } from './partition-requests';
import type { StorageSide } from './storage-side';

const HIGH_WATERMARK = -1;
const ALL_CHANCE = 0.1;
/** Of what there is, so much is deleted at most. */
const SHARE_MAX = 0.5;

/** Deletes the first records of partitions (DeleteRecords), when it is told to. */
export class Deleter extends Client {
  start(): void {
    this.refresh(() => undefined);
  }

  override lacks(): undefined {
    return undefined;
  }

  delete(): void {
    const { world } = this;
    const place = world.random.integer(0, world.plan.topic.partitions - 1);
    const topicId = this.known.topicId(DATA_TOPIC);
    const leader = this.known.leaderOf(DATA_TOPIC, place);
    this.refresh(() => undefined);
    if (topicId === undefined || leader === undefined) return;
    const share = world.random.chance(ALL_CHANCE) ? undefined : world.random.next() * SHARE_MAX;
    const timeoutMs = world.plan.requestTimeoutMs;
    let from = 0;
    const ask = async (storage: StorageSide): Promise<DeletedRecords | undefined> => {
      const { logStartOffset = 0, highWatermark = 0 } =
        storage.local?.bounds({ topicId, partition: place as PartitionIndex }) ?? {};
      const end = share === undefined ? highWatermark : logStartOffset + Math.floor(share * (highWatermark - logStartOffset));
      from = logStartOffset;
      const partitions = [{ topicId, partition: place, offset: share === undefined ? HIGH_WATERMARK : end }];
      const metadataIndex = storage.replica.image.index;
      const [deleted] =
        (await storage.port?.partitions.deleteRecords({ partitions, timeoutMs, metadataIndex }))?.partitions ?? [];
      if (deleted?.errorCode !== ErrorCode.NONE) return deleted;
      world.counters.deletions += 1;
      world.counters.deletedRecords += end - logStartOffset;
      world.truth.deletions.done(place, { offset: end, nodeIds: thoseWhoServe(storage, topicId, place) });
      return deleted;
    };
    this.ask(leader, timeoutMs, ask, (outcome) => {
      const answer = outcome.kind === 'answered' ? outcome.answer : undefined;
      if (answer?.errorCode === ErrorCode.NONE) this.#askForDeleted(topicId, place, from);
      else world.counters.deletionsRefused += 1;
      this.note(
        `is told ${answer?.errorCode ?? 'nothing'} of ${place}, which begins at ${answer?.lowWatermark ?? 'an unknown offset'}`,
      );
    });
  }

  /** Of some replica: what it was told is deleted is not given to it. */
  #askForDeleted(topicId: TopicId, place: number, offset: number): void {
    const { world } = this;
    const isr = this.known.partition(DATA_TOPIC, place)?.isr ?? [];
    if (isr.length === 0) return;
    const ask = async (storage: StorageSide): Promise<string | undefined> => {
      const floor = world.truth.deletions.floor(place, storage.process.nodeId);
      const fetched = await fetchFrom(storage, { topicId, partition: place, offset, maxWaitMs: 0 });
      const [found] = [...valuesIn(fetched?.records ?? Buffer.alloc(0))].filter(
        (record) => record.offset >= offset && record.offset < floor,
      );
      return found && `${this.name} is given ${place}@${found.offset}, where all before ${floor} was deleted`;
    };
    this.ask(world.random.pick(isr), world.plan.requestTimeoutMs, ask, (outcome) => {
      const found = outcome.kind === 'answered' ? outcome.answer : undefined;
      if (found !== undefined) throw new Violation('deleted-stays-out', found);
    });
  }
}

/** The leader, and replicas that are alive as far as it knows. */
function thoseWhoServe({ replica, process }: StorageSide, topicId: TopicId, place: number): ReadonlySet<number> {
  const { topics, brokers } = replica.image;
  const { replicas = [], failedReplicas = [] } = topics.get(topicId)?.partitions[place] ?? {};
  const alive = replicas.filter((id) => brokers.get(id)?.fenced === false && !failedReplicas.includes(id));
  return new Set([process.nodeId, ...alive]);
}
