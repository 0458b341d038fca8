import { metadata } from '@streamline/wire/kafka/apis/03-metadata';
import { batchOf, Broker } from '../../../test/kit/broker';
import { Cluster } from '../../../test/kit/cluster';
import type { ClusterNode } from '../../../test/kit/cluster-node';
import { eventually } from '../../../test/kit/conditions';
import { distribution } from '../raft/distribution';
import { cpuSecondsOf, residentBytesOf } from '../server/process-stats';
import type { ClusterBenchOptions } from './options';
import { measurePropagation } from './propagation';
import { snapshotFiles, SnapshotTimes } from './snapshots';

const VOTERS = [1, 2, 3];
const JOINER = 4;
const METADATA_VERSION = 12;
const WITHIN_MS = 120_000;
const MEGABYTE = 1e6;
const TOPIC = (index: number): string => `many-${index}`;

export type Figures = Readonly<Record<string, number>>;
export type Recorder = (line: string, figures: Figures) => void;

/** A whole life of a cluster with many partitions; `record` is told each figure as it is known. */
export class ManyPartitions {
  private constructor(
    private readonly cluster: Cluster,
    private readonly options: ClusterBenchOptions,
    private readonly record: Recorder,
  ) {}

  static async run(options: ClusterBenchOptions, record: Recorder): Promise<void> {
    const interval = options.snapshotIntervalLogs;
    const kept = Math.ceil(interval / 10);
    const flags = ['--snapshot-interval-logs', String(interval), '--max-logs-in-snapshot', String(kept)];
    const cluster = await Cluster.onLoopback({ nodes: JOINER, flags });
    try {
      await new ManyPartitions(cluster, options, record).measure();
    } finally {
      await cluster.remove();
    }
  }

  private async measure(): Promise<void> {
    const formMs = await timed(() => this.cluster.form(...VOTERS));
    this.tell('formed', { formMs });
    await this.create();
    await this.change();
    await this.restart();
    await this.join();
    await this.failOver();
  }

  private get topics(): number {
    return Math.ceil(this.options.partitions / this.options.partitionsPerTopic);
  }

  private get lastTopic(): string {
    return TOPIC(this.topics - 1);
  }

  private tell(line: string, figures: Figures): void {
    const memory = this.cluster.running.map(({ id, command }) => [`node${id}Mb`, residentBytesOf([command.pid]) / MEGABYTE]);
    this.record(line, { ...figures, ...Object.fromEntries(memory) });
  }

  /** Asks a follower, so that each request is passed on. */
  private async create(): Promise<void> {
    const [follower] = await this.cluster.followers();
    if (follower === undefined) throw new Error('no follower runs');
    const pids = this.cluster.running.map(({ command }) => command.pid);
    const cpuBefore = cpuSecondsOf(pids);
    const createMs = await timed(async () => {
      const broker = await Broker.connect(follower.kafka, 'bench');
      for (let index = 0; index < this.topics; index += 1) {
        await broker.createTopic(TOPIC(index), { partitions: this.options.partitionsPerTopic });
      }
      await broker.close();
    });
    const knownMs = await timed(() => Promise.all(this.cluster.running.map((node) => this.whenComplete(node))));
    const writableMs = await timed(() => Promise.all(this.cluster.running.map((node) => this.whenWritable(node))));
    this.tell('create', { createMs, knownMs, writableMs, cpuSeconds: cpuSecondsOf(pids) - cpuBefore });
  }

  /** Small changes of the large metadata, enough of them for snapshots. */
  private async change(): Promise<void> {
    const watches = this.cluster.running.map((node) => new SnapshotTimes(node));
    const { createMs, seenMs, stale } = await measurePropagation(this.cluster.running, this.options.changes);
    const [created, seen] = [distribution(createMs), distribution(seenMs)];
    this.tell('change', {
      ...{ createMedianMs: created.medianMs, createP99Ms: created.p99Ms, createMaxMs: created.maxMs },
      ...{ seenMedianMs: seen.medianMs, seenP99Ms: seen.p99Ms, seenMaxMs: seen.maxMs, staleAnswers: stale },
    });
    const files = (await Promise.all(this.cluster.running.map(snapshotFiles))).flat();
    const times = watches.flatMap((each) => each.timesMs);
    for (const each of watches) each.close();
    const bytes = Math.max(0, ...files.map((file) => file.bytes));
    this.tell('snapshot', { taken: times.length, largestMb: bytes / MEGABYTE, longestMs: Math.max(0, ...times) });
  }

  private async restart(): Promise<void> {
    const [follower] = await this.cluster.followers();
    if (follower === undefined) throw new Error('no follower runs');
    const stopMs = await timed(() => follower.stop());
    const started = performance.now();
    await follower.start();
    await this.cluster.formed(VOTERS, WITHIN_MS);
    const healthyMs = performance.now() - started;
    await this.whenWritable(follower);
    this.tell('restart', { stopMs, healthyMs, writableMs: performance.now() - started });
    const killMs = await timed(() => follower.kill());
    const again = performance.now();
    await follower.start();
    await this.cluster.formed(VOTERS, WITHIN_MS);
    const healthyAgainMs = performance.now() - again;
    await this.whenWritable(follower);
    this.tell('restart after kill -9', { killMs, healthyMs: healthyAgainMs, writableMs: performance.now() - again });
  }

  private async join(): Promise<void> {
    const joiner = this.cluster.node(JOINER);
    const started = performance.now();
    await joiner.start();
    await this.whenComplete(joiner);
    const completeMs = performance.now() - started;
    await this.cluster.formed([...VOTERS, JOINER], WITHIN_MS);
    const voterMs = performance.now() - started;
    const files = await snapshotFiles(joiner);
    const snapshotMb = Math.max(0, ...files.map(({ bytes }) => bytes)) / MEGABYTE;
    this.tell('join', { completeMs, voterMs, snapshots: files.length, snapshotMb });
  }

  private async failOver(): Promise<void> {
    const ledMs: number[] = [];
    const commandMs: number[] = [];
    for (let kill = 0; kill < this.options.kills; kill += 1) {
      const leader = await this.cluster.leader();
      const survivors = this.cluster.running.filter((node) => node !== leader);
      const killed = performance.now();
      await leader.kill();
      const [led, accepted] = await Promise.all([newLeaderAt(survivors, leader.id), commandAt(survivors, `after-kill-${kill}`)]);
      ledMs.push(led - killed);
      commandMs.push(accepted - killed);
      await leader.start();
      await this.cluster.formed([...VOTERS, JOINER], WITHIN_MS);
    }
    const [led, accepted] = [distribution(ledMs), distribution(commandMs)];
    this.tell('kill -9 of the leader', {
      ...{ kills: ledMs.length, leaderMedianMs: led.medianMs, leaderMaxMs: led.maxMs },
      ...{ commandMedianMs: accepted.medianMs, commandMaxMs: accepted.maxMs },
    });
  }

  /** Resolves when the node tells clients of every partition, each with a leader. */
  private async whenComplete(node: ClusterNode): Promise<void> {
    const wanted = this.topics * this.options.partitionsPerTopic;
    await eventually(
      `node ${node.id} knows ${wanted} partitions`,
      async () => {
        const broker = await Broker.connect(node.kafka, 'bench');
        try {
          const { topics } = await broker.request(metadata, METADATA_VERSION, { topics: null });
          const many = topics.filter(({ name }) => name?.startsWith('many-')).flatMap(({ partitions }) => partitions);
          return many.length === wanted && many.every(({ leaderId }) => leaderId > 0);
        } finally {
          await broker.close();
        }
      },
      WITHIN_MS,
    );
  }

  /** Resolves when the last partition that the node leads has taken a record. */
  private async whenWritable(node: ClusterNode): Promise<void> {
    await eventually(
      `node ${node.id} takes records`,
      async () => {
        const broker = await Broker.connect(node.kafka, 'bench');
        try {
          const { topics } = await broker.request(metadata, METADATA_VERSION, { topics: [{ name: this.lastTopic }] });
          const own = topics[0]?.partitions.filter(({ leaderId }) => leaderId === node.id) ?? [];
          const last = Math.max(...own.map(({ partitionIndex }) => partitionIndex));
          if (own.length === 0) return false;
          return (await broker.tryProduce(this.lastTopic, last, batchOf(['x']))).errorCode === 0;
        } finally {
          await broker.close();
        }
      },
      WITHIN_MS,
    );
  }
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** When all of them named one other leader. */
function newLeaderAt(nodes: readonly ClusterNode[], old: number): Promise<number> {
  return eventually(
    'a new leader',
    async () => {
      const answers = await Promise.all(nodes.map((node) => node.status()));
      const leaders = new Set(answers.map((answer) => answer?.body.leader_id ?? old));
      return leaders.size === 1 && !leaders.has(old) && performance.now();
    },
    WITHIN_MS,
  );
}

/** When the first of them had carried out a command. */
function commandAt(nodes: readonly ClusterNode[], name: string): Promise<number> {
  const [node] = nodes;
  return eventually(
    'a command is accepted',
    async () => {
      const broker = await Broker.connect(node?.kafka ?? '', 'bench');
      try {
        await broker.createTopic(name);
        return performance.now();
      } finally {
        await broker.close();
      }
    },
    WITHIN_MS,
  );
}
