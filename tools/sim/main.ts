import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { ClusterSummary, SHIPPED_CLUSTER, clusterReplayCommand, runClusterSeed } from '@streamline/testing/cluster/run-seed';
import { DataSummary, dataReplayCommand, runDataSeed } from '@streamline/testing/data-plane/run-seed';
import { SHIPPED_NODE } from '@streamline/testing/data-plane/shipped-code';
import { Raft } from '@streamline/core/raft/raft';
import { coreNode } from '@streamline/testing/raft/core-node';
import { SeedSummary, replayCommand, runSeed } from '@streamline/testing/raft/run-seed';
import { shippedNode } from '@streamline/testing/raft/shipped-node';

const USAGE = `npm run sim -- [options]

  --seed N      runs one seed and says what happened
  --trace       with --seed: prints a line for everything that happens
  --seeds N     runs N seeds from a fresh base, which it prints; ends at the first that fails
  --base N      where --seeds begins
  --seconds N   runs seeds for so long instead of a number of them
  --keep-going  goes on after a failure, and tells all that failed
  --layer L     data: whole nodes with their logs, replicas and groups, and clients; cluster: the whole controller with its
                brokers, from empty directories on (default); full: Raft's core, driver,
                storage and journal; core: Raft's core on a modelled disk. Only the ports are replaced
  --counters    prints what happened how often`;

const SEED_MAX = 2 ** 47;
const FAILURES_MAX = 20;
const SEEDS_THAT_MEET_ALL = 1_000;
const PROGRESS_MS = 10_000;
const [PASSED, FAILED, WRONG_USAGE] = [0, 1, 2];

type LayerName = 'core' | 'full' | 'cluster' | 'data';

interface Options {
  readonly seed: number | undefined;
  readonly seeds: number;
  readonly seconds: number;
  readonly base: number;
  readonly trace: boolean;
  readonly counters: boolean;
  readonly keepGoing: boolean;
  readonly layer: LayerName;
}

/** What comes of a seed, whatever was simulated. */
interface Outcome {
  readonly seed: number;
  readonly error: Error | undefined;
  readonly counters: object;
  readonly events: number;
  readonly virtualMs: number;
}

/** Runs seeds one after the other and sums them up. */
interface Layer {
  run(seed: number, trace?: (line: string) => void): Promise<Outcome>;
  replay(seed: number): string;
  readonly counters: object;
  /** Counters at zero that ought not to be. */
  readonly zeros: readonly string[];
  readonly told: string;
}

function clusterLayer(): Layer {
  const summary = new ClusterSummary();
  const { counters } = summary;
  return {
    run: async (seed, trace) => {
      const outcome = await runClusterSeed(seed, SHIPPED_CLUSTER, trace);
      summary.add(outcome);
      return outcome;
    },
    replay: clusterReplayCommand,
    counters,
    get zeros() {
      return counters.zeros;
    },
    get told() {
      const { elections, promotions, removals, commandsAcknowledged } = counters;
      return (
        `${elections} elections, ${promotions} promotions, ${removals} removals, ${commandsAcknowledged} commands, ` +
        `whole again within ${(summary.wholeAfterMsMax / 1_000).toFixed(1)} s`
      );
    },
  };
}

function dataLayer(): Layer {
  const summary = new DataSummary();
  const { counters } = summary;
  return {
    run: async (seed, trace) => {
      const outcome = await runDataSeed(seed, { code: SHIPPED_NODE }, trace);
      summary.add(outcome);
      return outcome;
    },
    replay: dataReplayCommand,
    counters,
    get zeros() {
      return counters.zeros;
    },
    get told() {
      const { leaderEpochs, writesAcknowledged, recordsDelivered, commitsAcknowledged } = counters;
      return (
        `${leaderEpochs} leader epochs, ${writesAcknowledged} writes, ${recordsDelivered} deliveries, ${commitsAcknowledged} commits, ` +
        `whole again within ${(summary.wholeAfterMsMax / 1_000).toFixed(1)} s`
      );
    },
  };
}

function raftLayer(name: 'core' | 'full'): Layer {
  const kind = name === 'full' ? shippedNode() : coreNode((init, time) => new Raft(init, time));
  const summary = new SeedSummary();
  const { counters } = summary;
  return {
    run: async (seed, trace) => {
      const outcome = await runSeed(seed, kind, trace);
      summary.add(outcome);
      return outcome;
    },
    replay: (seed) => replayCommand(seed, kind),
    counters,
    get zeros() {
      return counters.zerosExcept(kind.neverCounts);
    },
    get told() {
      const { elections, proposalsApplied, reads } = counters;
      return `${elections} elections, ${proposalsApplied} proposals, ${reads} reads, ${summary.undecided} histories undecided`;
    },
  };
}

/** Returns the exit code: 0 if nothing was violated. */
export async function main(args: readonly string[]): Promise<number> {
  const options = parse(args);
  if (typeof options === 'string') {
    console.log(options);
    return options === USAGE ? PASSED : WRONG_USAGE;
  }
  const layer = layerOf(options.layer);
  return options.seed === undefined ? runMany(options, layer) : runOne(options.seed, options, layer);
}

function layerOf(name: LayerName): Layer {
  if (name === 'cluster') return clusterLayer();
  return name === 'data' ? dataLayer() : raftLayer(name);
}

async function runOne(seed: number, { trace, counters }: Options, layer: Layer): Promise<number> {
  const outcome = await layer.run(seed, trace ? (line) => console.log(line) : undefined);
  if (counters) console.log(outcome.counters);
  const what = `${outcome.events} events, ${(outcome.virtualMs / 1_000).toFixed(1)} s of virtual time`;
  if (outcome.error === undefined) {
    console.log(`seed ${seed} passed: ${what}`);
    return PASSED;
  }
  console.log(outcome.error.stack);
  console.log(`seed ${seed} FAILED after ${what}: ${outcome.error.message}`);
  return FAILED;
}

/** What many seeds come to, in a line. */
class Total {
  seeds = 0;
  #events = 0;
  #virtualMs = 0;
  readonly #startedMs = performance.now();

  get tookMs(): number {
    return performance.now() - this.#startedMs;
  }

  add({ events, virtualMs }: Outcome): void {
    this.seeds += 1;
    this.#events += events;
    this.#virtualMs += virtualMs;
  }

  describe({ told }: Layer): string {
    const perSecond = (count: number): string => ((count * 1_000) / this.tookMs).toFixed(1);
    return (
      `${this.seeds} seeds (${perSecond(this.seeds)}/s), ${this.#events} events (${perSecond(this.#events)}/s), ` +
      `${(this.#virtualMs / 3_600_000).toFixed(2)} h of virtual time, ${told}`
    );
  }
}

async function runMany(options: Options, layer: Layer): Promise<number> {
  const { seeds, seconds, base, counters } = options;
  console.log(`seeds from ${base} on, ${seconds === Infinity ? seeds : `for ${seconds} s`}, layer ${options.layer}`);
  const total = new Total();
  const failed: number[] = [];
  let toldMs = 0;
  for (let at = 0; at < seeds && total.tookMs < seconds * 1_000; at += 1) {
    const outcome = await layer.run(base + at);
    total.add(outcome);
    if (outcome.error !== undefined) {
      failed.push(outcome.seed);
      console.log(`seed ${outcome.seed} FAILED: ${options.keepGoing ? outcome.error.message : outcome.error.stack}`);
      console.log(`replay: ${layer.replay(outcome.seed)}`);
      if (!options.keepGoing || failed.length === FAILURES_MAX) break;
    }
    if (total.tookMs - toldMs < PROGRESS_MS) continue;
    toldMs = total.tookMs;
    console.log(total.describe(layer));
  }
  if (counters) console.log(layer.counters);
  const { zeros } = layer;
  if (zeros.length > 0) console.log(`never happened: ${zeros.join(', ')}`);
  // So many seeds that miss something do not show what they claim.
  const isHollow = zeros.length > 0 && total.seeds >= SEEDS_THAT_MEET_ALL;
  const reason = failed.length > 0 ? `at ${failed.length} seeds, the first is ${failed[0]}` : 'for what never happened';
  const isPassed = failed.length === 0 && !isHollow;
  console.log(`${isPassed ? 'PASSED' : `FAILED ${reason}`}: ${total.describe(layer)}`);
  return isPassed ? PASSED : FAILED;
}

function parse(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        seeds: { type: 'string' },
        seconds: { type: 'string' },
        base: { type: 'string' },
        layer: { type: 'string', default: 'cluster' },
        trace: { type: 'boolean', default: false },
        counters: { type: 'boolean', default: false },
        'keep-going': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return USAGE;
    const { layer } = values;
    if (layer !== 'core' && layer !== 'full' && layer !== 'cluster' && layer !== 'data')
      throw new RangeError(`--layer ${layer}: data, cluster, full or core is needed`);
    return {
      seed: number('seed', values.seed),
      seeds: number('seeds', values.seeds) ?? (values.seconds === undefined ? 100 : Infinity),
      seconds: number('seconds', values.seconds) ?? Infinity,
      base: number('base', values.base) ?? randomInt(SEED_MAX),
      trace: values.trace,
      counters: values.counters,
      layer,
      keepGoing: values['keep-going'],
    };
  } catch (error) {
    return `sim: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`;
  }
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`--${name} ${text}: a whole number from 0 on is needed`);
  return value;
}
