import type { AlterPartitionEffect, ReplicaEffect } from '@streamline/core/replication/effects';
import type { ReplicaCore } from '@streamline/core/replication/replica';
import type { PartitionState } from './controller-model';
import type { ModelBatch, ModelLog } from './model-log';

/** A replica of one incarnation of a broker. */
export interface SeenReplica {
  readonly broker: number;
  readonly brokerEpoch: number;
  readonly partition: number;
  readonly core: ReplicaCore;
  readonly log: ModelLog;
}

/** What happens in a simulation, for those who check and count it. Each is called before it takes effect in the log. */
export interface Observer {
  effect?(replica: SeenReplica, effect: ReplicaEffect): void;
  leads?(replica: SeenReplica, leaderEpoch: number): void;
  highWatermark?(replica: SeenReplica, before: number, after: number, isReset: boolean): void;
  /** The log is about to lose batches; `keptEnd` is where it will end. */
  cut?(replica: SeenReplica, keptEnd: number, lost: readonly ModelBatch[], kind: 'truncate' | 'start-at'): void;
  proposed?(replica: SeenReplica, effect: AlterPartitionEffect): void;
  acknowledged?(replica: SeenReplica, batch: ModelBatch, requiredAcks: number): void;
  consumed?(replica: SeenReplica, batch: ModelBatch): void;
  changed?(partition: number, before: PartitionState, after: PartitionState): void;
  possibleLoss?(partition: number): void;
  inFlight?(broker: number, peer: number, bytes: number, windowBytes: number): void;
  /** Everything was healed and has become quiet. */
  settled?(): void;
}

type Call = { [K in keyof Observer]-?: Parameters<NonNullable<Observer[K]>> };

/** Tells all observers. */
export class Observers {
  readonly #all: Observer[] = [];

  add(observer: Observer): void {
    this.#all.push(observer);
  }

  tell<K extends keyof Observer>(event: K, ...args: Call[K]): void {
    for (const observer of this.#all) {
      const handler = observer[event] as ((...values: Call[K]) => void) | undefined;
      handler?.apply(observer, args);
    }
  }
}
