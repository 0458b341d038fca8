import { setTimeout as pause } from 'node:timers/promises';
import { StatusWatch, untruths } from '../kit/cluster-watch';
import { Load } from './load/load';
import type { Gap } from './load/progress';
import type { Anomaly, AnomalyKind } from '@streamline/testing/history/log-anomalies';
import type { Durability } from './options';
import { Records } from './records';
import type { Scenario } from './scenarios/scenario';
import { RECOVERS_WITHIN_MS } from './scenarios/wait';
import { Stage } from './stage/stage';

const REPLICAS_MAX = 3;
const STATUS_EVERY_MS = 100;
/** Of each partition, before a fault and behind it. */
const WRITES_BETWEEN = 20;
const BETWEEN_FAULTS_MS = 500;
/** Begins what the cluster's own failures show of its nodes. */
const DUMPED = '--- node ';

export interface RunOptions {
  /** At least one fault, and faults until so much time is over. */
  readonly minutes: number;
  readonly nodes: number;
  /** By default as many as there are nodes, three at most. */
  readonly replicas?: number;
  readonly durability: Durability;
  /** Where what nodes and clients log is kept; made when it is not there. */
  readonly directory: string;
  readonly tell: (line: string) => void;
}

export interface Outcome {
  readonly scenario: string;
  readonly nodes: number;
  readonly replicas: number;
  readonly faults: number;
  readonly acknowledged: number;
  readonly anomalies: readonly Anomaly[];
  /** Values of producers that are not idempotent that were stored more than once, as they may be. */
  readonly repeats: number;
  /** The longest time in which a partition acknowledged nothing, in milliseconds. */
  readonly longestGapMs: number;
  /** Those of a second and more. */
  readonly gaps: readonly Gap[];
  /** What made the run a failure beside anomalies. */
  readonly problems: readonly string[];
}

export function countOf({ anomalies }: Pick<Outcome, 'anomalies'>, ...kinds: readonly AnomalyKind[]): number {
  return anomalies.filter(({ kind }) => kinds.includes(kind)).length;
}

export function hasPassed({ anomalies, problems }: Outcome): boolean {
  return anomalies.length === 0 && problems.length === 0;
}

/** Runs one scenario under load and judges it. Problems of the run are part of the outcome, not thrown. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Outcome> {
  const nodes = Math.max(options.nodes, scenario.nodesMin ?? 0);
  const replicas = options.replicas ?? Math.min(REPLICAS_MAX, nodes);
  const run = new Run(scenario, { ...options, nodes, replicas });
  return run.play();
}

class Run {
  private faults = 0;
  private longestGapMs = 0;
  private readonly problems: string[] = [];

  constructor(
    private readonly scenario: Scenario,
    private readonly options: RunOptions & { readonly replicas: number },
  ) {}

  async play(): Promise<Outcome> {
    const { nodes, replicas } = this.options;
    const { spares = 0, needsDisks = false, name } = this.scenario;
    const judged = { anomalies: [] as readonly Anomaly[], repeats: 0 };
    const records = await Records.in(this.options.directory);
    const stage = await Stage.create({ nodes, spares, hasDisks: needsDisks });
    const watch = new StatusWatch(stage.cluster.nodes, STATUS_EVERY_MS);
    try {
      const { configs } = this;
      stage.load = await Load.begin({ bootstrap: stage.bootstrap, partitions: nodes, replicas, configs, note: records.note });
      await this.provoke(stage);
      const logs = await stage.load.settle((problem) => this.problems.push(problem));
      if (this.problems.length > 0) this.problems.push(await stage.describeLoad(), await stage.cluster.dump());
      const { anomalies, repeats } = stage.load.judge(logs);
      Object.assign(judged, { anomalies, repeats });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.problems.push(message);
      if (!message.includes(DUMPED)) this.problems.push(await stage.cluster.dump());
      this.problems.push(await stage.describeLoad());
    } finally {
      this.problems.push(...untruths(await watch.stop()).map((what) => `untrue status: ${what}`));
      await stage.close();
      await records.close(stage.cluster.nodes);
    }
    const { faults, longestGapMs, problems } = this;
    const acknowledged = stage.acknowledged;
    const { gaps } = stage;
    return { scenario: name, nodes, replicas, faults, longestGapMs, gaps, problems, acknowledged, ...judged };
  }

  /** A majority of the replicas has each write. */
  private get configs(): Record<string, string> {
    const { replicas, durability } = this.options;
    return {
      'min.insync.replicas': String(Math.floor(replicas / 2) + 1),
      'flush.messages': durability === 'fsync' ? '1' : String(2n ** 63n - 1n),
    };
  }

  private async provoke(stage: Stage): Promise<void> {
    const endMs = performance.now() + this.options.minutes * 60_000;
    const { progress, partitions } = stage.load;
    do {
      await progress.more(WRITES_BETWEEN, partitions, RECOVERS_WITHIN_MS);
      const seen = stage.evidence.length;
      progress.beginPhase();
      await this.scenario.cycle(stage, this.faults);
      const evidence = stage.evidence.slice(seen);
      if (evidence.length === 0) throw new Error('the fault was not observed');
      await progress.more(WRITES_BETWEEN, partitions, RECOVERS_WITHIN_MS);
      this.longestGapMs = Math.max(this.longestGapMs, progress.longestGapMs);
      this.faults += 1;
      this.options.tell(`  fault ${this.faults}: ${evidence.join('; ')}`);
      await pause(BETWEEN_FAULTS_MS);
    } while (performance.now() < endMs);
  }
}
