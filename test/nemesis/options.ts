import { parseArgs } from 'node:util';
import type { Scenario } from './scenarios/scenario';

export interface NemesisOptions {
  readonly scenarios: readonly Scenario[];
  readonly minutes: number;
  readonly nodes: number;
  readonly replicas?: number;
  /** When a write is acknowledged: when it is on the disk, or when the operating system has it. */
  readonly durability: Durability;
}

const DURABILITIES = ['fsync', 'page-cache'] as const;
export type Durability = (typeof DURABILITIES)[number];

/** The command line is wrong; the message says what would be right. */
export class NemesisUsageError extends Error {
  override readonly name = 'NemesisUsageError';
}

const NODE_COUNTS = [3, 5];
const MINUTES_MOST = 24 * 60;

export function usage(scenarios: readonly Scenario[]): string {
  return [
    'npm run nemesis -- [options]',
    '',
    'Real nodes in networks and on disks of their own, real clients that write, read and commit all the while, one fault after',
    'the other, and an oracle of what every client was told (docs/reliability.md). Needs root.',
    '',
    '  --scenario a,b  these; all of them by default',
    '  --minutes n     for each scenario, one fault at least; 1 by default',
    '  --nodes 3|5     voters; 3 by default, 5 where a scenario needs them',
    '  --durability d  fsync, or page-cache, with which a power loss of all nodes may lose what was acknowledged; fsync by default',
    '  --replicas n    of each partition; as many as there are nodes by default, 3 at most',
    '',
    ...scenarios.map(({ name, summary }) => `  ${name.padEnd(18)}${summary}`),
  ].join('\n');
}

/** @throws NemesisUsageError */
export function parseOptions(args: readonly string[], known: readonly Scenario[]): NemesisOptions | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const nodes = numberOf('--nodes', values.nodes ?? '3', 1, Math.max(...NODE_COUNTS));
  if (!NODE_COUNTS.includes(nodes)) throw new NemesisUsageError(`--nodes ${nodes}: ${NODE_COUNTS.join(' or ')} is wanted`);
  const replicas = values.replicas === undefined ? undefined : numberOf('--replicas', values.replicas, 1, nodes);
  const scenarios = values.scenario?.split(',').map((name) => scenarioOf(name, known)) ?? known;
  const minutes = numberOf('--minutes', values.minutes ?? '1', 0, MINUTES_MOST);
  return { scenarios, minutes, nodes, replicas, durability: durabilityOf(values.durability ?? 'fsync') };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: { type: 'string' },
        minutes: { type: 'string' },
        nodes: { type: 'string' },
        replicas: { type: 'string' },
        durability: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new NemesisUsageError(error instanceof Error ? error.message : String(error));
  }
}

function durabilityOf(text: string): Durability {
  const durability = DURABILITIES.find((each) => each === text);
  if (durability !== undefined) return durability;
  throw new NemesisUsageError(`--durability ${text}: ${DURABILITIES.join(' or ')} is wanted`);
}

function scenarioOf(name: string, known: readonly Scenario[]): Scenario {
  const scenario = known.find((each) => each.name === name);
  if (scenario !== undefined) return scenario;
  throw new NemesisUsageError(`--scenario ${name}: there are ${known.map((each) => each.name).join(', ')}`);
}

function numberOf(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (value >= least && value <= most) return value;
  throw new NemesisUsageError(`${flag} ${text}: a number from ${least} to ${most} is wanted`);
}
