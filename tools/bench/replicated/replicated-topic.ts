import { setTimeout as delay } from 'node:timers/promises';
import { produce } from '@streamline/wire/kafka/apis/00-produce';
import { KafkaControl, type PartitionState } from '../load/kafka-control';
import { defaultDurability } from '../scenarios/produce';
import { durabilityConfigs, settle } from '../scenarios/topics';
import type { Fleet } from './fleet';

export const REPLICAS = 3;
/** So that a record is acknowledged only once two replicas have it, whatever happens. */
const MIN_ISR = '2';
const READY_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 20;

let topicsMade = 0;

/** A topic of a fleet with three replicas, each side with the durability that it has by default. */
export class ReplicatedTopic {
  private states: readonly PartitionState[] = [];

  private constructor(
    readonly fleet: Fleet,
    readonly name: string,
    readonly partitions: number,
    /** Of Produce, in which both sides speak. */
    readonly version: number,
  ) {}

  /** Resolves when all replicas are in sync, every broker knows it, and the leaders answer. */
  static async create(fleet: Fleet, partitions: number): Promise<ReplicatedTopic> {
    topicsMade += 1;
    const name = `bench-replicated-${String(topicsMade).padStart(4, '0')}`;
    const configs = { ...durabilityConfigs(defaultDurability(fleet)), 'min.insync.replicas': MIN_ISR };
    const version = await fleet.ask(async (control) => {
      await control.requestTopic(name, partitions, REPLICAS, configs);
      return control.versionOf(produce);
    });
    const topic = new ReplicatedTopic(fleet, name, partitions, version);
    await topic.ready();
    return topic;
  }

  /** Makes a topic, lets `use` work with it, deletes it, and waits until the machine has written out what is left of it. */
  static async with<Result>(fleet: Fleet, partitions: number, use: (topic: ReplicatedTopic) => Promise<Result>): Promise<Result> {
    const topic = await ReplicatedTopic.create(fleet, partitions);
    try {
      const result = await use(topic);
      await topic.delete();
      return result;
    } finally {
      await settle();
    }
  }

  leaderOf(partition: number): number {
    return this.states[partition]?.leader ?? -1;
  }

  /** Where the leader of a partition is, as was known when the topic was last `ready`. */
  readonly portOf = (partition: number): number => this.fleet.node(this.leaderOf(partition)).port;

  ledBy(brokerId: number): number[] {
    return this.states.filter(({ leader }) => leader === brokerId).map(({ partition }) => partition);
  }

  /** Resolves when all brokers that run agree on a leader and so many in-sync replicas of each partition, and leaders answer. */
  async ready(inSync = REPLICAS, withinMs = READY_WITHIN_MS): Promise<void> {
    const holds = (states: readonly PartitionState[]): boolean =>
      states.every(({ leader, isr }) => leader > 0 && isr.length >= inSync);
    await this.until(`${inSync} replicas of each partition of ${this.name} are in sync`, holds, withinMs);
  }

  /** Gives every partition to its first replica, which has to be in sync. */
  async preferLeaders(): Promise<void> {
    const all = this.states.map(({ partition }) => partition);
    await this.fleet.ask((control) => control.electPreferred(this.name, all));
    const holds = (states: readonly PartitionState[]): boolean => states.every(({ leader, replicas }) => leader === replicas[0]);
    await this.until(`the first replicas of ${this.name} lead`, holds, READY_WITHIN_MS);
  }

  async delete(): Promise<void> {
    await this.fleet.ask((control) => control.deleteTopic(this.name));
  }

  /** How many records its leaders hold, of a topic that was never cut. */
  async records(): Promise<number> {
    let sum = 0;
    for (const broker of new Set(this.states.map(({ leader }) => leader))) {
      const control = await KafkaControl.connect(this.fleet.node(broker).port);
      const ends = await control.endsOf(this.name, this.ledBy(broker));
      await control.close();
      sum += ends.reduce((records, { offset }) => records + Number(offset), 0);
    }
    return sum;
  }

  private async until(what: string, holds: (states: readonly PartitionState[]) => boolean, withinMs: number): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    const controls = await Promise.all(this.fleet.running.map(({ port }) => KafkaControl.connect(port)));
    try {
      for (;;) {
        const views = await Promise.all(controls.map((each) => each.partitionsOf(this.name)));
        const [first = []] = views;
        this.states = first;
        const agreed = views.every((view) => view.length === this.partitions && holds(view) && sameLeaders(view, first));
        if (agreed && (await this.leadersAnswer())) return;
        if (performance.now() > deadlineMs) throw new Error(`${this.fleet.name}: it did not come about that ${what}`);
        await delay(LOOK_EVERY_MS);
      }
    } finally {
      await Promise.all(controls.map((each) => each.close()));
    }
  }

  private async leadersAnswer(): Promise<boolean> {
    for (const broker of new Set(this.states.map(({ leader }) => leader))) {
      const control = await KafkaControl.connect(this.fleet.node(broker).port);
      const ends = await control.endsOf(this.name, this.ledBy(broker));
      await control.close();
      if (ends.some(({ errorCode }) => errorCode !== 0)) return false;
    }
    return true;
  }
}

function sameLeaders(one: readonly PartitionState[], other: readonly PartitionState[]): boolean {
  return one.every(({ leader }, index) => leader === other[index]?.leader);
}
