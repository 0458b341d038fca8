import type { ReplicaEffect } from '@streamline/core/replication/effects';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import type { PartitionState } from './controller-model';
import type { ModelBatch } from './model-log';
import type { Observer, SeenReplica } from './observer';
import { tell } from './truth';

/** Prints a line for everything that happens. */
export class Trace implements Observer {
  constructor(
    private readonly events: EventQueue,
    private readonly print: (line: string) => void,
  ) {}

  effect(replica: SeenReplica, effect: ReplicaEffect): void {
    if (effect.kind === 'push-due' || effect.kind === 'ack-due') return;
    const { kind, ...rest } = effect;
    this.#say(replica, `${kind} ${JSON.stringify(rest)}`);
  }

  acknowledged(replica: SeenReplica, batch: ModelBatch, requiredAcks: number): void {
    this.#say(replica, `acknowledges ${tell(batch)} (acks=${requiredAcks})`);
  }

  changed(partition: number, _: PartitionState, after: PartitionState): void {
    this.print(`${this.events.nowMs.toFixed(2)} controller p${partition} ${JSON.stringify(after)}`);
  }

  possibleLoss(partition: number): void {
    this.print(`${this.events.nowMs.toFixed(2)} controller p${partition} may have lost records`);
  }

  #say({ broker, brokerEpoch, partition, core, log }: SeenReplica, what: string): void {
    const role = core.leading === undefined ? 'F' : 'L';
    const state = `${role}${core.leaderEpoch} hw ${core.highWatermark} log ${log.startOffset}-${log.endOffset}`;
    this.print(`${this.events.nowMs.toFixed(2)} ${broker}@${brokerEpoch} p${partition} [${state}] ${what}`);
  }
}
