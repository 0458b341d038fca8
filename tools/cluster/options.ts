import path from 'node:path';
import { parseArgs } from 'node:util';

export interface Options {
  readonly nodes: number;
  /** Of the first node's Kafka listener; see `planNodes` for the others. */
  readonly basePort: number;
  /** Holds the data and the log of each node. Undefined: a new temporary one, deleted when all have stopped as they should. */
  readonly dataDir: string | undefined;
  /** Flags that every node gets beside its own. */
  readonly nodeFlags: readonly string[];
}

/** The command line is wrong; the message says what would be right. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const DEFAULT_NODES = 3;
export const NODES_MAX = 15;
/** Of the guide's compose file: 9092, 9192, 9292. */
const DEFAULT_BASE_PORT = 9_092;
export const PORTS_APART = 100;
const PORT_MAX = 65_535;
const DEFAULT_DATA_DIR = 'data/cluster';

export const USAGE = `npm run cluster -- [options] [-- flags of every node]

  --nodes N          how many nodes; ${DEFAULT_NODES} by default
  --base-port PORT   node 1 listens on 127.0.0.1 at PORT (Kafka), PORT+1 (inter-broker) and PORT+2 (HTTP), node 2 at
                     PORT+${PORTS_APART} and so on; ${DEFAULT_BASE_PORT} by default
  --data-dir DIR     data and logs of the nodes; ./${DEFAULT_DATA_DIR} by default. The cluster is the same one the next time
  --fresh            a new cluster in a temporary directory, deleted in the end

^C stops the nodes in order, the leader last; a second one ends them at once.`;

/** `root` is the directory that a relative default refers to. @throws UsageError */
export function parseOptions(args: readonly string[], root: string): Options | 'help' {
  const { values, positionals } = parse(args);
  if (values.help === true) return 'help';
  if (values.fresh === true && values['data-dir'] !== undefined) {
    throw new UsageError('--fresh takes a directory of its own: leave out --data-dir');
  }
  const nodes = numberOf('--nodes', values.nodes, DEFAULT_NODES, 1, NODES_MAX);
  const basePort = numberOf('--base-port', values['base-port'], DEFAULT_BASE_PORT, 1, PORT_MAX - PORTS_APART * (nodes - 1) - 2);
  const dataDir = values.fresh === true ? undefined : path.resolve(values['data-dir'] ?? path.join(root, DEFAULT_DATA_DIR));
  return { nodes, basePort, dataDir, nodeFlags: positionals };
}

function parse(args: readonly string[]) {
  const end = args.indexOf('--');
  const [own, positionals] = end < 0 ? [args, []] : [args.slice(0, end), args.slice(end + 1)];
  try {
    const { values } = parseArgs({
      args: [...own],
      options: {
        nodes: { type: 'string' },
        'base-port': { type: 'string' },
        'data-dir': { type: 'string' },
        fresh: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    return { values, positionals };
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(flag: string, text: string | undefined, otherwise: number, least: number, most: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new UsageError(`${flag} ${text ?? value}: a whole number from ${least} to ${most} is wanted`);
}
