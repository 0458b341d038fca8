import { describe, expect, it } from 'vitest';
import { MetadataState } from '@streamline/core/metadata/metadata-state';
import type { MetadataIndex } from '@streamline/core/types/ids';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { decodeRecord } from '../metadata/record-codec';
import type { Controller } from '@streamline/testing/controller/controller-kit';
import { contents, ControllerKit, create, startBroker, topic } from '@streamline/testing/controller/controller-kit';

const SEEDS = 120;
const LIVES = 4;

interface Counters {
  crashes: number;
  kills: number;
  snapshots: number;
  lostImageWrites: number;
  startsOnFullDisk: number;
  fullInTheMiddle: number;
  unacknowledgedSurvived: number;
}

/** What a client knows of each topic: the outcomes that it was told, and the ones that it never was. */
interface Expectation {
  /** Acknowledged to exist, with so many partitions at least. */
  readonly exists: Map<string, number>;
  /** A change was asked for and never answered: it may or may not have happened. */
  readonly inDoubt: Set<string>;
}

/** One machine, several lives of its controller, each ended by a power loss or a kill in the middle of its work. */
class Story {
  readonly #kit: ControllerKit;
  readonly #random: SeededRandom;
  readonly #expected: Expectation = { exists: new Map(), inDoubt: new Set() };
  #producerIds = 0;

  constructor(
    seed: number,
    private readonly counters: Counters,
  ) {
    this.#kit = new ControllerKit(seed);
    this.#random = new SeededRandom(seed + 1_000_000);
    this.#kit.medium.beforeFlush = async () => {
      for (let n = this.#random.integer(0, 6); n > 0; n--) await this.#kit.disk.exists('/');
    };
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life++) {
      this.#kit.medium.isFull = life > 0 && this.#random.chance(0.3);
      if (this.#kit.medium.isFull) this.counters.startsOnFullDisk++;
      const controller = await this.#kit.start({ snapshotIntervalLogs: this.#random.integer(3, 20) });
      await this.#check(controller);
      const stopped = this.#kit.disk.stopAfter(this.#random.integer(1, 200));
      await Promise.race([stopped, this.#work(controller, life)]);
      this.counters.snapshots += controller.opened.log.snapshots;
      this.#end();
    }
    this.#kit.medium.isFull = false;
    const last = await this.#kit.start();
    await this.#check(last);
    await this.#kit.stop(last);
    expect(contents((await this.#kit.openLog()).committed.state)).toEqual(contents(last.opened.committed.state));
  }

  /** Now and then the image's disk gets full, or has room again, which is noticed in time; before the journal holds no more. */
  #fillOrFree({ usedBytes, capacityBytes }: Controller['opened']['journal']): void {
    const { medium, clock } = this.#kit;
    const changes = usedBytes > capacityBytes / 2 ? medium.isFull : this.#random.chance(0.1);
    if (!changes) return;
    medium.isFull = !medium.isFull;
    if (medium.isFull) this.counters.fullInTheMiddle++;
    else clock.advance(1000);
  }

  #end(): void {
    const unflushed = this.#kit.medium.unflushed.length;
    // Timers of a life that ended never fire.
    this.#kit.clock = new VirtualClock();
    if (this.#random.chance(0.6)) {
      this.#kit.crash();
      this.counters.crashes++;
      this.counters.lostImageWrites += unflushed;
    } else {
      this.#kit.disk = this.#kit.disk.kill();
      this.#kit.medium.crash(unflushed);
      this.counters.kills++;
    }
  }

  async #work({ role, opened }: Controller, life: number): Promise<void> {
    const brokerEpoch = await startBroker(role, `life ${life}`);
    for (let n = 0; n < 30; n++) {
      const names = Array.from({ length: this.#random.integer(1, 4) }, () => `t${this.#random.integer(0, 12)}`);
      await Promise.all([...new Set(names)].map((name) => this.#change(role, name)));
      this.#fillOrFree(opened.journal);
      const block = await role.allocateProducerIds({ brokerId: 1, brokerEpoch });
      expect(block.firstProducerId).toBeGreaterThanOrEqual(this.#producerIds);
      this.#producerIds = block.firstProducerId + block.count;
    }
  }

  async #change(role: Controller['role'], name: string): Promise<void> {
    const known = this.#expected.exists.get(name);
    this.#expected.inDoubt.add(name);
    if (known === undefined) {
      const partitions = this.#random.integer(1, 5);
      const configs = this.#random.chance(0.3) ? [{ name: 'retention.ms', value: '5' }] : [];
      const { topics } = await create(role, topic(name, { partitions, configs }));
      const code = topics[0]?.error?.errorCode;
      if (code === 0) this.#expected.exists.set(name, partitions);
      else expect(code).toBe(36);
    } else if (this.#random.chance(0.5)) {
      const { topics } = await role.deleteTopics({ topics: [{ name }], timeoutMs: 0 });
      expect(topics[0]?.error?.errorCode).toBe(0);
      this.#expected.exists.delete(name);
    } else {
      const request = { name, partitions: known + 2, assignments: [], hasAssignments: false };
      const { topics } = await role.createPartitions({ topics: [request], validateOnly: false, timeoutMs: 0 });
      expect(topics[0]?.error?.errorCode).toBe(0);
      this.#expected.exists.set(name, known + 2);
    }
    this.#expected.inDoubt.delete(name);
  }

  /** Everything acknowledged is there, nothing that was never asked for is, and what memory shows is what disk gives. */
  async #check({ role, opened }: Controller): Promise<void> {
    const { image } = role.replica;
    for (const [name, id] of image.topicIdsByName) {
      const partitions = image.topics.get(id)?.partitions ?? [];
      const known = this.#expected.exists.get(name);
      if (!this.#expected.inDoubt.has(name)) {
        expect(known, `topic ${name} was deleted or never made`).toBe(partitions.length);
      } else {
        this.counters.unacknowledgedSurvived++;
      }
      this.#expected.exists.set(name, partitions.length);
    }
    for (const name of this.#expected.exists.keys()) {
      if (image.topicIdsByName.has(name)) continue;
      expect(this.#expected.inDoubt, `topic ${name} was acknowledged`).toContain(name);
      this.#expected.exists.delete(name);
    }
    this.#expected.inDoubt.clear();
    expect(image.nextProducerId).toBeGreaterThanOrEqual(this.#producerIds);
    const snapshot = new MetadataState();
    for await (const message of role.followMetadata({ fromIndex: 0, follower: 'check' })) {
      snapshot.apply(message.metadataIndex as MetadataIndex, message.records.map(decodeRecord));
      if (message.snapshotEnd) break;
    }
    expect(contents(snapshot)).toEqual(contents(opened.committed.state));
  }
}

describe('a controller that crashes', () => {
  it(`finds every acknowledged change again, and none that was never asked for, over ${SEEDS} seeds`, async () => {
    const counters: Counters = {
      crashes: 0,
      kills: 0,
      snapshots: 0,
      lostImageWrites: 0,
      unacknowledgedSurvived: 0,
      startsOnFullDisk: 0,
      fullInTheMiddle: 0,
    };
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await new Story(seed, counters).run();
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    for (const [what, count] of Object.entries(counters)) expect(count, what).toBeGreaterThan(0);
  }, 600_000);
});
