import { parseArgs } from 'node:util';

export interface Options {
  /** One, or a cluster of three. */
  readonly nodes: NodeCount;
  readonly scenarioNames: readonly string[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly partitionCounts: readonly number[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly profile: boolean;
  /** Before writes the machine's free memory is left as it is found. */
  readonly coldMemory: boolean;
  readonly againstKafka: boolean;
  /** False to measure Kafka alone, when working on this tool. */
  readonly streamline: boolean;
  /** Another build's main file, to compare it with this one's. */
  readonly main?: string;
}

export type NodeCount = 1 | 3;

/** The scenarios that there are for a number of nodes. */
export interface Offer {
  readonly scenarios: readonly { readonly name: string; readonly summary: string }[];
  /** Those of a quick run. */
  readonly quick: readonly string[];
}

export type Offers = Readonly<Record<NodeCount, Offer>>;

/** The command line is wrong; the message says what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const QUICK_SECONDS = 1;
const DEFAULT_SECONDS = 4;
const MOST_PARTITIONS = 200;

export function usage(offers: Offers): string {
  return [
    'npm run bench -- [options]',
    '',
    '  --against kafka       runs Apache Kafka beside us, in turn, and prints ratios (Java >= 17, Maven, network the first time)',
    '  --nodes 3             a cluster of three on either side, replication factor 3, acks=all',
    '  --scenario a,b        only these of the scenarios below',
    `  --seconds n           of each measurement, after a warm-up; ${DEFAULT_SECONDS} by default`,
    '  --partitions 1,6      how many partitions produce and fetch use',
    '  --rounds n            measures everything n times and takes medians; 1 by default',
    '  --quick               less of everything, in under a minute',
    '  --profile             runs each scenario on a profiled node of its own and prints the functions that took most time',
    '  --cold                leaves free memory as it is found: where a host takes it back, what new pages cost is part of the figures',
    "  --main FILE           measures another build's dist/node/main.mjs, to compare it with this one's",
    '  --without streamline  measures Kafka alone',
    ...([1, 3] as const).flatMap((nodes) => [
      '',
      nodes === 1 ? 'One node:' : 'Three nodes:',
      ...offers[nodes].scenarios.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`),
    ]),
  ].join('\n');
}

/** @throws UsageError */
export function parseOptions(args: readonly string[], offers: Offers): Options | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const quick = values.quick === true;
  if (values.against !== undefined && values.against !== 'kafka') {
    throw new UsageError(`--against ${values.against}: only 'kafka' is known`);
  }
  if (values.without !== undefined && values.without !== 'streamline') {
    throw new UsageError(`--without ${values.without}: only 'streamline' is known`);
  }
  const nodes = nodesOf(values.nodes);
  const { scenarios, quick: quickNames } = offers[nodes];
  const known = scenarios.map(({ name }) => name);
  const scenarioNames = values.scenario?.split(',') ?? (quick ? quickNames : known);
  const unknown = scenarioNames.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`--scenario ${unknown}: with --nodes ${nodes} there are ${known.join(', ')}`);
  const seconds = numberOf('--seconds', values.seconds, quick ? QUICK_SECONDS : DEFAULT_SECONDS, 0.1, 3600);
  return {
    nodes,
    scenarioNames,
    seconds,
    warmUpSeconds: Math.min(2, seconds / 2),
    partitionCounts: (values.partitions ?? (quick ? '6' : '1,6'))
      .split(',')
      .map((each) => Math.floor(numberOf('--partitions', each, 1, 1, MOST_PARTITIONS))),
    rounds: Math.floor(numberOf('--rounds', values.rounds, 1, 1, 100)),
    quick,
    profile: values.profile === true,
    coldMemory: values.cold === true,
    againstKafka: values.against === 'kafka',
    streamline: values.without === undefined,
    main: values.main,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        against: { type: 'string' },
        without: { type: 'string' },
        nodes: { type: 'string' },
        scenario: { type: 'string' },
        seconds: { type: 'string' },
        partitions: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean' },
        main: { type: 'string' },
        profile: { type: 'boolean' },
        cold: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function nodesOf(text = '1'): NodeCount {
  if (text === '1') return 1;
  if (text === '3') return 3;
  throw new UsageError(`--nodes ${text}: 1 or 3 is wanted`);
}

function numberOf(flag: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value >= least && value <= most)) throw new UsageError(`${flag} ${text}: a number from ${least} to ${most} is wanted`);
  return value;
}
