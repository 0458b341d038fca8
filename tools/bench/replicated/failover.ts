import { setTimeout as delay } from 'node:timers/promises';
import { median } from '../scenarios/percentiles';
import { defaultDurability } from '../scenarios/produce';
import type { Bench, Scenario } from '../scenarios/scenario';
import type { Fleet } from './fleet';
import { PersistentWriter } from './persistent-writer';
import { ReplicatedTopic } from './replicated-topic';

const PARTITIONS = 6;
const WARM_UP_RECORDS = 50;
/** Writes go on again when no partition was silent for longer, all the while. */
const SILENCE_MS = 400;
const STEADY_MS = 2_000;
const STEADY_WITHIN_MS = 60_000;
const LOOK_EVERY_MS = 20;

type Signal = 'SIGKILL' | 'SIGTERM';

export const FAILOVER_LINE: Readonly<Record<Signal, string>> = {
  SIGKILL: 'kill -9 of each broker in turn',
  SIGTERM: 'SIGTERM of each broker in turn',
};

/** Each broker in turn, so that the metadata's leader is among them; each leads two of the six partitions. */
export const failoverScenario: Scenario<Fleet> = {
  name: 'failover',
  summary:
    'longest gap in writes to any of 6 partitions when a leader gets kill -9 and SIGTERM; until its replicas are in sync again',
  async run(bench) {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      for (const fleet of bench.servers) {
        await ReplicatedTopic.with(fleet, PARTITIONS, (topic) => failoverLine(bench, topic, signal));
      }
    }
  },
};

async function failoverLine(bench: Bench<Fleet>, topic: ReplicatedTopic, signal: Signal): Promise<void> {
  const { fleet } = topic;
  const victims = fleet.nodes.map((_, index) => index + 1).slice(0, bench.quick ? 1 : undefined);
  const gapsMs: number[] = [];
  const endsMs: number[] = [];
  const inSyncMs: number[] = [];
  for (const victim of victims) {
    const { gapMs, endMs } = await gapWithout(topic, victim, signal);
    gapsMs.push(gapMs);
    endsMs.push(endMs);
    const startedMs = performance.now();
    await fleet.node(victim).start();
    await topic.ready();
    inSyncMs.push(performance.now() - startedMs);
    await topic.preferLeaders();
  }
  bench.record({
    line: FAILOVER_LINE[signal],
    server: fleet.name,
    durability: defaultDurability(fleet),
    metrics: {
      longestGapMs: Math.max(...gapsMs),
      medianGapMs: median(gapsMs),
      endMs: median(endsMs),
      inSyncAfterStartMs: median(inSyncMs),
      longestInSyncAfterStartMs: Math.max(...inSyncMs),
    },
  });
}

/** The longest time between two acknowledgements of any partition around the end of a broker, and how long that took to end. */
async function gapWithout(topic: ReplicatedTopic, victim: number, signal: Signal): Promise<{ gapMs: number; endMs: number }> {
  if (topic.ledBy(victim).length === 0) throw new Error(`broker ${victim} of ${topic.fleet.name} leads nothing`);
  const writers = Array.from({ length: PARTITIONS }, (_, partition) => new PersistentWriter(topic, partition));
  try {
    while (writers.some(({ acknowledged }) => acknowledged < WARM_UP_RECORDS)) await delay(LOOK_EVERY_MS);
    for (const writer of writers) writer.watch();
    const ended = topic.fleet.node(victim).end(signal);
    await steady(writers);
    return { gapMs: Math.max(...writers.map(({ longestGapMs }) => longestGapMs)), endMs: await ended };
  } finally {
    await Promise.all(writers.map((each) => each.stop()));
  }
}

async function steady(writers: readonly PersistentWriter[]): Promise<void> {
  const deadlineMs = performance.now() + STEADY_WITHIN_MS;
  for (let sinceMs = performance.now(); performance.now() - sinceMs < STEADY_MS;) {
    await delay(LOOK_EVERY_MS);
    if (writers.some(({ silentMs }) => silentMs > SILENCE_MS)) sinceMs = performance.now();
    if (performance.now() > deadlineMs) throw new Error(`writes did not go on within ${STEADY_WITHIN_MS} ms`);
  }
}
