import { Violation } from '@streamline/testing/raft/violation';
import type { AskedQuestion } from '../group-truth';

interface Known {
  lastSent: number;
  /** Acknowledged, or shown to somebody: never to be gone again. */
  floor: number;
}

export interface CommittedOffset {
  readonly groupId: string;
  readonly place: number;
  readonly offset: number;
}

/**
 * What a group has committed for a partition only grows, as its members read on from there: an acknowledged commit is never lost, and
 * nothing that was read goes back, whoever coordinates (GROUP-4, GROUP-7, GROUP-10). One that was deposed without knowing it may answer
 * with what was committed before, no less.
 */
export class CommittedOffsets {
  readonly #known = new Map<string, Known>();
  /** Of each (partition, epoch) that is over, what was known when it ended. */
  readonly #floorsAtEnd = new Map<string, ReadonlyMap<string, number>>();

  floor(groupId: string, place: number): number {
    return this.#of(`${groupId}/${place}`).floor;
  }

  epochEnds(partition: number, epoch: number): void {
    this.#floorsAtEnd.set(`${partition}/${epoch}`, new Map([...this.#known].map(([key, { floor }]) => [key, floor])));
  }

  sent(groupId: string, place: number, offset: number): void {
    const known = this.#of(`${groupId}/${place}`);
    known.lastSent = Math.max(known.lastSent, offset);
  }

  committed({ groupId, place, offset }: CommittedOffset): void {
    const known = this.#of(`${groupId}/${place}`);
    known.floor = Math.max(known.floor, offset);
  }

  read(asked: AskedQuestion, partition: number, offset: number): void {
    const key = `${asked.groupId}/${asked.place}`;
    const known = this.#of(key);
    if (offset > known.lastSent)
      throw new Violation('committed-offsets', `${key}: ${offset} is told, ${known.lastSent} was sent last`);
    const atEnd = this.#floorsAtEnd.get(`${partition}/${asked.epoch ?? -1}`)?.get(key) ?? -1;
    const least = asked.isCurrent() ? asked.floor : Math.min(atEnd, asked.floor);
    if (offset < least) {
      const who = asked.isCurrent() ? 'the coordinator' : `one of epoch ${asked.epoch ?? 'none'}`;
      throw new Violation('committed-offsets', `${key}: ${who} answers ${offset}, ${least} was committed`);
    }
    known.floor = Math.max(known.floor, offset);
  }

  #of(key: string): Known {
    let known = this.#known.get(key);
    if (known === undefined) this.#known.set(key, (known = { lastSent: -1, floor: -1 }));
    return known;
  }
}
