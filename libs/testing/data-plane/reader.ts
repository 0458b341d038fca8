import type { Reading } from '@streamline/testing/history/log-history';
import { Client } from './client';
import { PartitionReader } from './partition-reader';

/** Reads all partitions from their start, outside of any group. */
export class Reader extends Client {
  readonly #readers: PartitionReader[] = [];

  start(): void {
    for (let place = 0; place < this.world.plan.topic.partitions; place += 1) {
      const { history } = this.world;
      const client = { ...this.reading, readsAnew: (reading: Reading) => void history.readings.push(reading) };
      const reader = new PartitionReader(client, place, 0, history.beginReading(this.name, place));
      this.#readers.push(reader);
      reader.poll();
    }
  }

  lacks(): string | undefined {
    const ends = this.world.partitions.ends();
    const behind = this.#readers.find(({ place, position }) => position < (ends[place] ?? Infinity));
    return behind === undefined ? undefined : `${this.name} is at ${behind.place}@${behind.position} of ${ends[behind.place]}`;
  }
}
