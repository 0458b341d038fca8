import path from 'node:path';
import { Server, freePorts, temporaryDirectory, type Command } from './server';

export interface StreamlineOptions {
  /** The clone's top folder. */
  readonly root: string;
  /** Writes a CPU profile of the whole process into this folder when it stops. */
  readonly profileDir?: string;
  /** The main file to run in place of the clone's own build. */
  readonly main?: string;
  /** More flags for the node. */
  readonly flags?: readonly string[];
}

/** Kafka, HTTP and inter-broker. */
const PORTS_EACH = 3;
const INTERNAL = 2;

/** One combined node, started as users start it. */
export class StreamlineServer extends Server {
  readonly name = 'streamline';

  private constructor(
    dataDir: string,
    ports: readonly number[],
    private readonly options: StreamlineOptions,
  ) {
    super(dataDir, ports);
  }

  static async create(options: StreamlineOptions): Promise<StreamlineServer> {
    return new StreamlineServer(await temporaryDirectory('streamline'), await freePorts(PORTS_EACH), options);
  }

  /** Nodes with the ids 1, 2, …, the first of which begins the cluster. */
  static async createCluster(options: StreamlineOptions, count: number): Promise<StreamlineServer[]> {
    const ports = await freePorts(count * PORTS_EACH);
    const seed = `127.0.0.1:${ports[INTERNAL] ?? 0}`;
    const ids = Array.from({ length: count }, (_, index) => index + 1);
    return Promise.all(
      ids.map(async (id) => {
        const seeds = id === 1 ? [] : ['--seed-nodes', seed];
        const flags = ['--cluster-node-id', String(id), ...seeds, ...(options.flags ?? [])];
        const own = ports.slice((id - 1) * PORTS_EACH, id * PORTS_EACH);
        return new StreamlineServer(await temporaryDirectory(`streamline-${id}`), own, { ...options, flags });
      }),
    );
  }

  async format(): Promise<void> {
    // The first start formats its data directory.
  }

  protected command(): Command {
    const [kafka = 0, http = 0, internal = 0] = this.ports;
    const flags = [
      ...['--profile', 'development', '--data-dir', this.dataDir, '--log-format', 'json', '--log-level', 'warn'],
      ...['--listen-addr', `127.0.0.1:${kafka}`, '--advertised-addr', `127.0.0.1:${kafka}`],
      ...['--http-addr', `127.0.0.1:${http}`, '--inter-broker-addr', `127.0.0.1:${internal}`],
      ...(this.options.flags ?? []),
    ];
    const { root, profileDir, main } = this.options;
    if (profileDir === undefined && main === undefined) return { command: path.join(root, 'bin/streamline'), args: flags };
    // What bin/streamline does, with the profiler on or with another build.
    const profiling = profileDir === undefined ? [] : ['--cpu-prof', '--cpu-prof-interval', '500', '--cpu-prof-dir', profileDir];
    return { command: process.execPath, args: [...profiling, main ?? path.join(root, 'dist/node/main.mjs'), ...flags] };
  }
}
