import type { PartitionKey } from '@streamline/runtime/log/log-engine';
import { Violation } from '@streamline/testing/raft/violation';

/** A record of a topic that comes and goes, wherever somebody sees it. */
export interface BriefRecord extends PartitionKey {
  readonly offset: number;
  readonly value: string;
}

/**
 * A topic holds what was sent to it and nothing else: one that is created anew under the name of another begins empty, whatever lies about
 * of the other (S-2, META-9). What is acknowledged stays at its offset for as long as the topic is there.
 */
export class OwnTopic {
  readonly #sentTo = new Map<string, string>();
  /** What somebody was told of, by place and offset. */
  readonly #told = new Map<string, Map<number, string>>();

  sent(value: string, to: PartitionKey): void {
    this.#sentTo.set(value, nameOf(to));
  }

  /** `who` was told that a record is there: by an acknowledgement, or by what it was given. */
  told(who: string, record: BriefRecord): void {
    const { offset, value } = record;
    const place = nameOf(record);
    const sentTo = this.#sentTo.get(value) ?? 'nobody';
    if (sentTo !== place)
      throw new Violation('own-topic', `${who} is told that ${value} is at ${place}@${offset}, sent to ${sentTo}`);
    let values = this.#told.get(place);
    if (values === undefined) this.#told.set(place, (values = new Map()));
    const known = values.get(offset) ?? value;
    if (known !== value) throw new Violation('own-topic', `${who} is told that ${place}@${offset} is ${value}, it was ${known}`);
    values.set(offset, value);
  }

  /** A log that is there in the end; throws where it is not all that anybody was told of. */
  expectAll(place: PartitionKey, records: readonly { readonly offset: number; readonly value: string }[]): void {
    const values = new Map(records.map(({ offset, value }) => [offset, value]));
    for (const [offset, value] of this.#told.get(nameOf(place)) ?? [])
      if (values.get(offset) !== value)
        throw new Violation(
          'own-topic',
          `${nameOf(place)}@${offset} was ${value}, the log has ${values.get(offset) ?? 'nothing'}`,
        );
    for (const { offset, value } of records) this.told('the log', { ...place, offset, value });
  }
}

function nameOf({ topicId, partition }: PartitionKey): string {
  return `${topicId}/${partition}`;
}
