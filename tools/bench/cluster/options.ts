import { parseArgs } from 'node:util';
import { UsageError } from '../options';

export interface ClusterBenchOptions {
  readonly partitions: number;
  readonly partitionsPerTopic: number;
  /** Topics that are made one by one while the answers of the other nodes are watched. */
  readonly changes: number;
  /** How often the leader is killed. */
  readonly kills: number;
  /** Entries between two snapshots; a tenth of them stays in the log for those who are behind. */
  readonly snapshotIntervalLogs: number;
}

const PARTITIONS_MOST = 100_000;
const REPEATS_MOST = 10_000;

export const USAGE = [
  'node tools/bench-cluster.mjs [options]',
  '',
  'Three nodes with many partitions: creation, how soon every node shows a change, snapshots, a restart, a fourth node that joins',
  'through a snapshot, kill -9 of the leader, and the memory of each node at every step.',
  '',
  '  --partitions n            over all topics; 10,000 by default',
  '  --partitions-per-topic n  1,000 by default',
  '  --changes n               topics that are made one by one while the other nodes are watched; 300 by default',
  '  --kills n                 of the leader, with kill -9; 5 by default',
  '  --snapshot-interval n     entries of the metadata log between two snapshots; 100 by default (a node takes one every 1,000)',
].join('\n');

/** @throws UsageError */
export function parseOptions(args: readonly string[]): ClusterBenchOptions | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  return {
    partitions: countOf('--partitions', values.partitions, 10_000, PARTITIONS_MOST),
    partitionsPerTopic: countOf('--partitions-per-topic', values['partitions-per-topic'], 1_000, PARTITIONS_MOST),
    changes: countOf('--changes', values.changes, 300, REPEATS_MOST),
    kills: countOf('--kills', values.kills, 5, REPEATS_MOST),
    snapshotIntervalLogs: countOf('--snapshot-interval', values['snapshot-interval'], 100, REPEATS_MOST),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        partitions: { type: 'string' },
        'partitions-per-topic': { type: 'string' },
        changes: { type: 'string' },
        kills: { type: 'string' },
        'snapshot-interval': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function countOf(flag: string, text: string | undefined, otherwise: number, most: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new UsageError(`${flag} ${text}: a whole number from 1 to ${most} is wanted`);
}
