import { Violation } from '@streamline/testing/raft/violation';
import type { AcknowledgedBatch, DataInvariant, SeenRecord } from '../truth';

/** An offset that somebody was told of holds one value, whoever is told, from whichever replica. */
export class OneValue implements DataInvariant {
  readonly #values = new Map<string, string>();

  answered({ place, baseOffset, values }: AcknowledgedBatch): void {
    values.forEach((value, at) => this.#take('a producer', { place, offset: baseOffset + at, value }));
  }

  delivered(consumer: string, record: SeenRecord): void {
    this.#take(consumer, record);
  }

  lost(place: number): void {
    for (const at of this.#values.keys()) if (at.startsWith(`${place}@`)) this.#values.delete(at);
  }

  #take(who: string, { place, offset, value }: SeenRecord): void {
    const at = `${place}@${offset}`;
    const known = this.#values.get(at);
    if (known === undefined) this.#values.set(at, value);
    else if (known !== value) throw new Violation('one-value', `${who} is told that ${at} is ${value}, it was ${known}`);
  }
}
