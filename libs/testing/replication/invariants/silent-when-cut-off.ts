import { Violation } from '@streamline/testing/raft/violation';
import type { ControllerModel } from '../controller-model';
import type { ModelBatch } from '../model-log';
import type { Observer, SeenReplica } from '../observer';
import { tell } from '../truth';

/**
 * A leader whose session has ended at the controller, who gave its partition to another, acknowledges nothing and lets nobody read,
 * unless every other replica still follows it (REPL-20).
 */
export class SilentWhenCutOff implements Observer {
  constructor(
    private readonly controller: ControllerModel,
    /** For how long the controller has not heard of a broker. */
    private readonly silentMs: (broker: number) => number,
    private readonly plan: { readonly sessionTimeoutMs: number },
  ) {}

  acknowledged(replica: SeenReplica, batch: ModelBatch): void {
    if (this.isReplaced(replica)) this.fail(replica, `acknowledges ${tell(batch)}`);
  }

  consumed(replica: SeenReplica, batch: ModelBatch): void {
    if (this.isReplaced(replica)) this.fail(replica, `shows ${tell(batch)}`);
  }

  private isReplaced({ broker, partition, core }: SeenReplica): boolean {
    if (core.leading === undefined || this.silentMs(broker) <= this.plan.sessionTimeoutMs) return false;
    const { leaderEpoch, leader } = this.controller.image.partitions[partition] ?? {};
    if (leaderEpoch === undefined || leader === undefined || leaderEpoch <= core.leading.epoch) return false;
    return core.followers.some(({ isStreaming }) => !isStreaming);
  }

  private fail({ broker, partition }: SeenReplica, what: string): never {
    throw new Violation('silent-when-cut-off', `broker ${broker} ${what} though another leads partition ${partition} by now`);
  }
}
