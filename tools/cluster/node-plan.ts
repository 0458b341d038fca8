import path from 'node:path';
import { PORTS_APART, type Options } from './options';

/** How one node is started and where it is found. */
export interface NodePlan {
  readonly id: number;
  readonly kafka: string;
  readonly http: string;
  readonly logFile: string;
  /** Arguments of the `streamline` command. */
  readonly flags: readonly string[];
}

const HOST = '127.0.0.1';

/** Node 1 begins the cluster and the others join it, as in the clustering guide; all in `directory`. */
export function planNodes({ nodes, basePort, nodeFlags }: Options, directory: string): NodePlan[] {
  const seed = `${HOST}:${basePort + 1}`;
  return Array.from({ length: nodes }, (_, index) => {
    const id = index + 1;
    const port = basePort + PORTS_APART * index;
    const [kafka, interBroker, http] = [port, port + 1, port + 2].map((each) => `${HOST}:${each}`);
    return {
      id,
      kafka: String(kafka),
      http: String(http),
      logFile: path.join(directory, `node${id}.log`),
      flags: [
        ...['--profile', 'development', '--cluster-node-id', String(id), '--data-dir', path.join(directory, `node${id}`)],
        ...['--listen-addr', String(kafka), '--advertised-addr', String(kafka), '--http-addr', String(http)],
        ...['--inter-broker-addr', String(interBroker), ...(id === 1 ? [] : ['--seed-nodes', seed])],
        ...nodeFlags,
      ],
    };
  });
}
