import { parseArgs } from 'node:util';
import type { Scenario } from './scenarios/scenario';

export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly partitionCounts: readonly number[];
  readonly rounds: number;
  readonly quick: boolean;
  readonly profile: boolean;
  readonly againstKafka: boolean;
  /** False to measure Kafka alone, when working on this tool. */
  readonly streamline: boolean;
  /** Another build's main file, to compare it with this one's. */
  readonly main?: string;
}

/** The command line is wrong; the message says what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const QUICK_SECONDS = 1;
const DEFAULT_SECONDS = 4;
const MOST_PARTITIONS = 200;

export function usage(scenarios: readonly Scenario[]): string {
  return [
    'npm run bench -- [options]',
    '',
    '  --against kafka       runs Apache Kafka beside us, in turn, and prints ratios (Java >= 17, Maven, network the first time)',
    '  --scenario a,b        only these: ' + scenarios.map(({ name }) => name).join(', '),
    `  --seconds n           of each measurement, after a warm-up; ${DEFAULT_SECONDS} by default`,
    '  --partitions 1,6      how many partitions produce and fetch use',
    '  --rounds n            measures everything n times and takes medians; 1 by default',
    '  --quick               less of everything, in under a minute',
    '  --profile             runs each scenario on a profiled node of its own and prints the functions that took most time',
    "  --main FILE           measures another build's dist/node/main.mjs, to compare it with this one's",
    '  --without streamline  measures Kafka alone',
    '',
    ...scenarios.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`),
  ].join('\n');
}

/** @throws UsageError */
export function parseOptions(
  args: readonly string[],
  known: readonly Scenario[],
  quickNames: readonly string[],
): Options | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const quick = values.quick === true;
  if (values.against !== undefined && values.against !== 'kafka') {
    throw new UsageError(`--against ${values.against}: only 'kafka' is known`);
  }
  if (values.without !== undefined && values.without !== 'streamline') {
    throw new UsageError(`--without ${values.without}: only 'streamline' is known`);
  }
  const names = values.scenario?.split(',') ?? (quick ? quickNames : known.map(({ name }) => name));
  const seconds = numberOf('--seconds', values.seconds, quick ? QUICK_SECONDS : DEFAULT_SECONDS, 0.1, 3600);
  return {
    scenarios: names.map((name) => scenarioOf(name, known)),
    seconds,
    warmUpSeconds: Math.min(2, seconds / 2),
    partitionCounts: (values.partitions ?? (quick ? '6' : '1,6'))
      .split(',')
      .map((each) => Math.floor(numberOf('--partitions', each, 1, 1, MOST_PARTITIONS))),
    rounds: Math.floor(numberOf('--rounds', values.rounds, 1, 1, 100)),
    quick,
    profile: values.profile === true,
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
        scenario: { type: 'string' },
        seconds: { type: 'string' },
        partitions: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean' },
        main: { type: 'string' },
        profile: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function scenarioOf(name: string, known: readonly Scenario[]): Scenario {
  const scenario = known.find((each) => each.name === name);
  if (scenario === undefined) throw new UsageError(`--scenario ${name}: there are ${known.map((each) => each.name).join(', ')}`);
  return scenario;
}

function numberOf(flag: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!(value >= least && value <= most)) throw new UsageError(`${flag} ${text}: a number from ${least} to ${most} is wanted`);
  return value;
}
