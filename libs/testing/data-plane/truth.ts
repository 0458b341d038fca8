import type { LeaderEpoch } from '@streamline/core/types/ids';
import type { PartitionKey } from '@streamline/runtime/log/log-engine';
import { DATA_TOPIC } from './client-world';
import type { DataCounters } from './counters';
import { Deletions } from './deletions';
import { Losses } from './losses';
import type { TopicPlan } from './plan';
import type { StorageSide } from './storage-side';

/** A record, wherever somebody sees it. `place` is the partition as the run numbers it. */
export interface SeenRecord {
  readonly place: number;
  readonly offset: number;
  readonly value: string;
}

/** What a client was told of the records that it sent. */
export interface AcknowledgedBatch {
  readonly place: number;
  /** Of the leader, when it answered; -1: it does not lead any more. */
  readonly leaderEpoch: number;
  readonly baseOffset: number;
  readonly values: readonly string[];
}

/** A follower cuts its log, or begins it anew. */
export interface Cut {
  readonly place: number;
  readonly nodeId: number;
  readonly offset: number;
  readonly logEndOffset: number;
}

/** A broker takes appends for a partition from now on. */
export interface Leadership {
  readonly topicName: string;
  readonly key: PartitionKey;
  readonly epoch: LeaderEpoch;
  readonly storage: StorageSide;
}

/** Sees what brokers do and clients are told; throws a Violation where a property does not hold. One file each in `invariants/`. */
export interface DataInvariant {
  leads?(leadership: Leadership): void;
  /** acks=all, as the broker answers it. */
  answered?(batch: AcknowledgedBatch, by: StorageSide): void;
  delivered?(consumer: string, record: SeenRecord): void;
  cut?(cut: Cut): void;
  /** What was acknowledged in earlier epochs of the partition may be gone. */
  lost?(place: number): void;
}

/** What happens in a run, as nobody in it sees it. */
export class Truth {
  readonly losses: Losses;
  readonly deletions: Deletions;
  /** In which epoch each value was acknowledged to acks=all, the last time. */
  readonly #epochs = new Map<string, number>();
  #invariants: readonly DataInvariant[] = [];

  constructor(
    topic: TopicPlan,
    private readonly counters: DataCounters,
    private readonly broken: (error: unknown) => void,
  ) {
    this.losses = new Losses(topic, counters, (place) => this.#tell((invariant) => invariant.lost?.(place)));
    this.deletions = new Deletions(() => (counters.deletionsUndone += 1));
  }

  /** The value was acknowledged by somebody after whom nothing was lost. */
  isKept(place: number, value: string): boolean {
    return this.losses.isKept(place, this.#epochs.get(value) ?? -1);
  }

  watchWith(invariants: readonly DataInvariant[]): void {
    this.#invariants = [...invariants, this.deletions];
  }

  /** A storage side is made: whom it leads is watched. */
  serves(storage: StorageSide): void {
    storage.local?.onLeadership(({ topicId, topicName, partition, leaderEpoch }) => {
      if (leaderEpoch === undefined) return;
      this.counters.leaderEpochs += 1;
      storage.process.tell(() => `leads ${topicId}/${partition} in epoch ${leaderEpoch}`);
      this.#tell((invariant) => invariant.leads?.({ topicName, key: { topicId, partition }, epoch: leaderEpoch, storage }));
    });
  }

  answered(batch: AcknowledgedBatch, by: StorageSide): void {
    for (const value of batch.values) this.#epochs.set(value, batch.leaderEpoch);
    if (!this.losses.isKept(batch.place, batch.leaderEpoch)) return;
    this.#tell((invariant) => invariant.answered?.(batch, by));
  }

  /** What is shown by somebody who has not heard yet of a loss says nothing about what is there. */
  delivered(consumer: string, record: SeenRecord): void {
    if (this.losses.has(record.place)) return;
    this.#tell((invariant) => invariant.delivered?.(consumer, record));
  }

  /** Some of what happens is told to operators alone. */
  logged({ process }: StorageSide, fields: object, message: string): void {
    if (message.startsWith('a log that had failed and began anew')) this.counters.logsRecovered += 1;
    if (!message.startsWith('the log of a follower is')) return;
    if (message.endsWith('since it failed')) this.counters.logsBegunAnew += 1;
    const [offset = 0, logEndOffset = 0, place = 0] = ['offset', 'logEndOffset', 'partition'].map((name) =>
      Number(Reflect.get(fields, name)),
    );
    this.counters.truncations += 1;
    this.counters.truncatedRecords += Math.max(0, logEndOffset - offset);
    if (Reflect.get(fields, 'topic') !== DATA_TOPIC) return;
    this.#tell((invariant) => invariant.cut?.({ place, nodeId: process.nodeId, offset, logEndOffset }));
  }

  #tell(tell: (invariant: DataInvariant) => void): void {
    try {
      for (const invariant of this.#invariants) tell(invariant);
    } catch (error) {
      this.broken(error);
    }
  }
}
