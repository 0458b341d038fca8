import { parseArgs } from 'node:util';
import { UsageError } from '../options';
import type { RaftScenario } from './bench';

export interface RaftBenchOptions {
  readonly scenarios: readonly RaftScenario[];
  readonly voters: readonly number[];
  readonly entryBytes: readonly number[];
  readonly outstanding: readonly number[];
  readonly seconds: number;
  readonly kills: number;
  readonly elections: number;
  readonly entries: number;
  readonly snapshotMb: number;
  readonly firstPort: number;
  readonly profile: boolean;
}

const VOTERS_MOST = 7;

export function usage(scenarios: readonly RaftScenario[]): string {
  return [
    'node tools/bench-raft.mjs [options]',
    '',
    '  --scenario a,b         only these: ' + scenarios.map(({ name }) => name).join(', '),
    '  --voters 1,3,5         proposals: how many voters',
    '  --entry-bytes 100,1024 proposals: of each entry',
    '  --outstanding 1,64,1024  proposals: how many are always under way',
    '  --seconds n            proposals: of each measurement, after a second of warm-up; 3 by default',
    '  --kills n              elections: how often each way; 40 by default',
    '  --elections n          virtual: how many each way; 1,000 by default',
    '  --entries n            apply: how many; 200,000 by default',
    '  --snapshot-mb n        snapshot: how large; 100 by default',
    '  --first-port n         the voters listen from here on; 22000 by default',
    '  --profile              proposals: runs the voters with --cpu-prof and prints where the leader spent its time',
    '',
    ...scenarios.map(({ name, summary }) => `  ${name.padEnd(12)}${summary}`),
  ].join('\n');
}

/** @throws UsageError */
export function parseOptions(args: readonly string[], known: readonly RaftScenario[]): RaftBenchOptions | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  const names = values.scenario?.split(',') ?? known.map(({ name }) => name);
  return {
    scenarios: names.map((name) => scenarioOf(name, known)),
    voters: numbers('--voters', values.voters, VOTERS_MOST),
    entryBytes: numbers('--entry-bytes', values['entry-bytes'], 1_000_000),
    outstanding: numbers('--outstanding', values.outstanding, 8_000),
    seconds: number('--seconds', values.seconds, 3_600),
    kills: number('--kills', values.kills, 10_000),
    elections: number('--elections', values.elections, 1_000_000),
    entries: number('--entries', values.entries, 10_000_000),
    snapshotMb: number('--snapshot-mb', values['snapshot-mb'], 10_000),
    firstPort: number('--first-port', values['first-port'], 65_535 - VOTERS_MOST),
    profile: values.profile,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: { type: 'string' },
        voters: { type: 'string', default: '1,3,5' },
        'entry-bytes': { type: 'string', default: '100,1024' },
        outstanding: { type: 'string', default: '1,64,1024' },
        seconds: { type: 'string', default: '3' },
        kills: { type: 'string', default: '40' },
        elections: { type: 'string', default: '1000' },
        entries: { type: 'string', default: '200000' },
        'snapshot-mb': { type: 'string', default: '100' },
        'first-port': { type: 'string', default: '22000' },
        profile: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function scenarioOf(name: string, known: readonly RaftScenario[]): RaftScenario {
  const scenario = known.find((each) => each.name === name);
  if (scenario === undefined) throw new UsageError(`--scenario ${name}: there are ${known.map((each) => each.name).join(', ')}`);
  return scenario;
}

function numbers(flag: string, text: string, most: number): readonly number[] {
  return text.split(',').map((each) => number(flag, each, most));
}

function number(flag: string, text: string, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new UsageError(`${flag} ${text}: whole numbers from 1 to ${most} are wanted`);
  }
  return value;
}
