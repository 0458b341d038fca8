import { Violation } from '@streamline/testing/raft/violation';
import type { DataInvariant, Leadership } from '../truth';

/** An epoch of a partition has one leader, of one incarnation of a broker, and a broker's epochs of a partition only grow (REPL-1). */
export class OneLeader implements DataInvariant {
  readonly #leaders = new Map<string, string>();

  leads({ key, epoch, storage }: Leadership): void {
    const what = `${key.topicId}/${key.partition} in epoch ${epoch}`;
    const { nodeId, incarnationId } = storage.process;
    const leader = `${nodeId} (${incarnationId})`;
    const known = this.#leaders.get(what);
    if (known !== undefined && known !== leader) throw new Violation('one-leader', `${what} is led by ${known} and by ${leader}`);
    this.#leaders.set(what, leader);
  }
}
