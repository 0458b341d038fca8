import { Violation } from '@streamline/testing/raft/violation';
import type { Observer } from '../observer';

/** A follower that takes nothing costs the window and the batches that one turn may exceed it by, no more (REPL-14). */
export class BoundedFlight implements Observer {
  constructor(private readonly excessBytes: number) {}

  inFlight(broker: number, peer: number, bytes: number, windowBytes: number): void {
    if (bytes <= windowBytes + this.excessBytes) return;
    throw new Violation('bounded-flight', `${bytes} bytes are under way from broker ${broker} to ${peer}, of ${windowBytes}`);
  }
}
