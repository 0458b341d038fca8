import { Violation } from '@streamline/testing/raft/violation';
import type { Observer, SeenReplica } from '../observer';

/** An epoch of a partition has one leader, of one incarnation: no two acknowledge in it. */
export class OneLeader implements Observer {
  readonly #leaders = new Map<string, string>();

  leads({ broker, brokerEpoch, partition }: SeenReplica, leaderEpoch: number): void {
    const epoch = `${partition}/${leaderEpoch}`;
    const leader = `broker ${broker} of epoch ${brokerEpoch}`;
    const known = this.#leaders.get(epoch) ?? leader;
    if (known !== leader) {
      throw new Violation('one-leader', `${known} and ${leader} lead epoch ${leaderEpoch} of partition ${partition}`);
    }
    this.#leaders.set(epoch, leader);
  }
}
