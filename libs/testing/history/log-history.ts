/** One value that a producer sent to a topic; every value is sent once by one producer, whatever its client repeats on the wire. */
export interface Write {
  readonly producer: string;
  /** Counts the values of the producer, in the order in which it gave them to its client. */
  readonly number: number;
  /** Its client promises that a value is there once, and in order. */
  readonly isIdempotent: boolean;
  /** Where it was acknowledged; undefined as long as nobody knows whether it is there. */
  acknowledged?: Place;
}

export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** A record as a client got it. */
export interface Delivery extends Place {
  readonly value: string;
}

/** What one consumer got of one partition between two moments at which it may begin elsewhere. */
export interface Reading {
  readonly consumer: string;
  readonly partition: number;
  /** The least and the largest offset where it may begin. */
  readonly beginsFrom: number;
  readonly beginsTo: number;
  readonly deliveries: Delivery[];
}

/** Committed offsets of one group and partition, by its one member, which commits one after the other. */
export class Commits {
  private acknowledged = -1;
  private sent = -1;
  /** Nobody knows whether these were taken, or yet will be. */
  private unresolved: number[] = [];
  private isFenced = false;

  /** The least offset that may be committed now; -1: none is. */
  get least(): number {
    return Math.min(this.acknowledged, ...this.unresolved);
  }

  /** The largest one. */
  get most(): number {
    return this.sent;
  }

  /** The member commits; the result is to be called with what it was told. */
  send(offset: number): (isAcknowledged: boolean) => void {
    this.sent = Math.max(this.sent, offset);
    return (isAcknowledged) => {
      if (!isAcknowledged) {
        this.unresolved.push(offset);
        return;
      }
      this.acknowledged = offset;
      if (this.isFenced) this.unresolved = [];
      this.isFenced = false;
    };
  }

  /** The member has joined anew: commits of the generation before, wherever they hang, are refused from now on. */
  fence(): void {
    this.isFenced = true;
  }
}

/** A committed offset that a group was told, and what it may have been. */
export interface FetchedCommit {
  readonly group: string;
  readonly partition: number;
  readonly offset: number;
  readonly least: number;
  readonly most: number;
}

/** What all clients sent and were told, in the order in which they knew it. */
export class History {
  readonly writes = new Map<string, Write>();
  readonly readings: Reading[] = [];
  readonly fetchedCommits: FetchedCommit[] = [];
  private readonly commits = new Map<string, Commits>();
  private readonly numbers = new Map<string, number>();
  acknowledgedCount = 0;

  /** The next value of a producer, from now on perhaps in a log. */
  send(producer: string, isIdempotent: boolean): string {
    const number = this.numbers.get(producer) ?? 0;
    this.numbers.set(producer, number + 1);
    const value = `${producer}/${number}`;
    this.writes.set(value, { producer, number, isIdempotent });
    return value;
  }

  acknowledge(value: string, place: Place): void {
    const write = this.writes.get(value);
    if (write === undefined) throw new Error(`${value} was never sent`);
    write.acknowledged = place;
    this.acknowledgedCount += 1;
  }

  /** A consumer begins to read a partition at its start. */
  beginReading(consumer: string, partition: number): Reading {
    return this.read(consumer, partition, 0, 0);
  }

  /** The member of a group begins where the group has committed: it has joined anew. */
  beginMember(consumer: string, partition: number, group: string): Reading {
    const commits = this.commitsOf(group, partition);
    commits.fence();
    return this.read(consumer, partition, Math.max(0, commits.least), Math.max(0, commits.most));
  }

  /** A consumer reads on from an offset that it chose by itself. */
  beginAt(consumer: string, partition: number, offset: number): Reading {
    return this.read(consumer, partition, offset, offset);
  }

  commitsOf(group: string, partition: number): Commits {
    const key = `${group}/${partition}`;
    const known = this.commits.get(key) ?? new Commits();
    this.commits.set(key, known);
    return known;
  }

  private read(consumer: string, partition: number, beginsFrom: number, beginsTo: number): Reading {
    const reading = { consumer, partition, beginsFrom, beginsTo, deliveries: [] };
    this.readings.push(reading);
    return reading;
  }

  /** To be called before the question is sent; the result when its answer is there. */
  askCommit(group: string, partition: number): (offset: number) => void {
    const commits = this.commitsOf(group, partition);
    const { least } = commits;
    return (offset) => this.fetchedCommits.push({ group, partition, offset, least, most: commits.most });
  }
}
