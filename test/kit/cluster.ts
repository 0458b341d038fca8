import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach } from 'vitest';
import type { MembersAnswer, StatusAnswer } from './cluster-http';
import { ClusterNode, type NodePlan } from './cluster-node';
import { Command, REPOSITORY } from './command';
import { eventually } from './conditions';
import type { Network, Surroundings } from './netns';
import { claimPorts } from './ports';

export const STREAMLINE = path.join(REPOSITORY, 'bin/streamline');

const FORMS_WITHIN_MS = 60_000;
/** Long: a busy machine may need it, and a stop that hangs costs this much only once. */
const STOP_TIMEOUT_MS = 60_000;
/** Nodes that are frozen do not answer at all. */
const MEMBERS_WITHIN_MS = 5_000;

export interface Ports {
  readonly kafka: number;
  readonly interBroker: number;
  readonly http: number;
}

export const GUIDE_PORTS: Ports = { kafka: 9092, interBroker: 9093, http: 9094 };

function isRunningBroker({ members }: MembersAnswer['body'], id: number): boolean {
  return members.some((member) => member.node_id === id && member.broker_state === 'Running');
}

export interface LoopbackOptions {
  readonly nodes: number;
  /** Flags of every node beside its id, addresses and data directory. */
  readonly flags?: readonly string[] | ((id: number) => readonly string[]);
  /** Ids of the nodes whose inter-broker addresses a node is given as seeds; by default node 1 has none, the others have node 1. */
  seedsOf?(id: number): readonly number[];
  /** The command of a node as it is next started, without flags; by default this repository's. */
  programOf?(id: number): readonly string[];
}

export interface NetworkOptions {
  readonly network: Network;
  /** The flags of each node, as the guide has them. */
  readonly commands: readonly (readonly string[])[];
  /** The command's file as they see it; by default this repository's. */
  readonly program?: string;
  /** Where they run; called with the directory of its own that each node has. */
  surroundings?(id: number, directory: string): Surroundings;
  /** The data directory as this process sees it; by default `data` of the node's directory. */
  dataDirOf?(directory: string): string;
}

/** Several real nodes on this machine, as the guide starts them. */
export class Cluster {
  private constructor(
    readonly directory: string,
    readonly nodes: readonly ClusterNode[],
  ) {}

  /** Node n listens on 127.0.0.n, all of them at the same three ports. Nothing is started yet. */
  static async onLoopback({ nodes: count, flags = [], seedsOf, programOf }: LoopbackOptions): Promise<Cluster> {
    const directory = await mkdtemp(path.join(tmpdir(), 'streamline-cluster-'));
    const ids = Array.from({ length: count }, (_, index) => index + 1);
    const hosts = ids.map((id) => `127.0.0.${id}`);
    const [kafka = 0, interBroker = 0, http = 0] = await claimPorts(3, hosts);
    const ports: Ports = { kafka, interBroker, http };
    const seeds = seedsOf ?? ((id: number) => (id === 1 ? [] : [1]));
    const plans = ids.map((id): NodePlan => {
      const at = (node: number, port: number): string => `127.0.0.${node}:${port}`;
      const own = path.join(directory, `node${id}`);
      const seeded = seeds(id).map((seed) => at(seed, ports.interBroker));
      const addresses = ['--listen-addr', at(id, ports.kafka), '--advertised-addr', at(id, ports.kafka)];
      return {
        id,
        directory: own,
        dataDir: path.join(own, 'data'),
        kafka: at(id, ports.kafka),
        http: at(id, ports.http),
        interBroker: at(id, ports.interBroker),
        flags: [
          ...['--cluster-node-id', String(id), ...addresses],
          ...['--inter-broker-addr', at(id, ports.interBroker), '--http-addr', at(id, ports.http)],
          ...(seeded.length > 0 ? ['--seed-nodes', seeded.join(',')] : []),
          ...['--data-dir', path.join(own, 'data'), '--stop-timeout-ms', String(STOP_TIMEOUT_MS)],
          ...(typeof flags === 'function' ? flags(id) : flags),
        ],
        // Dies with this process, however that ends.
        launch: (args, options) => {
          const program = programOf?.(id) ?? [STREAMLINE];
          return Command.start('setpriv', ['--pdeathsig', 'KILL', '--', ...program, ...args], options);
        },
      };
    });
    return new Cluster(
      directory,
      plans.map((plan) => new ClusterNode(plan)),
    );
  }

  /** Nodes of a network of namespaces, with the guide's addresses and ports. Nothing is started yet. */
  static async inNetwork({ network, commands, program = STREAMLINE, surroundings, dataDirOf }: NetworkOptions): Promise<Cluster> {
    const directory = await mkdtemp(path.join(tmpdir(), 'streamline-cluster-'));
    const plans = await Promise.all(
      commands.map(async (flags, index): Promise<NodePlan> => {
        const id = index + 1;
        const own = path.join(directory, `node${id}`);
        await mkdir(own, { recursive: true });
        return {
          id,
          directory: own,
          dataDir: dataDirOf?.(own) ?? path.join(own, 'data'),
          kafka: `${network.reachableAt(id)}:${GUIDE_PORTS.kafka}`,
          http: `${network.reachableAt(id)}:${GUIDE_PORTS.http}`,
          interBroker: `${network.address(id)}:${GUIDE_PORTS.interBroker}`,
          flags,
          launch: (args, options) => {
            const [file = '', ...rest] = network.commandAt(id, [program, ...args], surroundings?.(id, own));
            return Command.start(file, rest, options);
          },
        };
      }),
    );
    return new Cluster(
      directory,
      plans.map((plan) => new ClusterNode(plan)),
    );
  }

  node(id: number): ClusterNode {
    const node = this.nodes[id - 1];
    if (!node) throw new Error(`the cluster has nodes 1 to ${this.nodes.length}, not ${id}`);
    return node;
  }

  get running(): ClusterNode[] {
    return this.nodes.filter(({ isRunning }) => isRunning);
  }

  /** Starts nodes, by default all, without waiting. */
  async start(...ids: readonly number[]): Promise<void> {
    await Promise.all((ids.length > 0 ? ids.map((id) => this.node(id)) : this.nodes).map((node) => node.start()));
  }

  /** Starts nodes, by default all, and waits until all that run are one healthy cluster in which each of them votes and serves. */
  async form(...ids: readonly number[]): Promise<void> {
    await this.start(...ids);
    await this.formed();
  }

  /**
   * Resolves when these nodes are healthy, name one leader, have just each other as voters, and each knows the brokers of all as Running;
   * returns the leader's id.
   */
  async formed(ids: readonly number[] = this.running.map(({ id }) => id), withinMs = FORMS_WITHIN_MS): Promise<number> {
    const voters = ids.toSorted((one, other) => one - other);
    return this.until(
      `nodes ${ids.join(', ')} are one cluster`,
      async () => {
        const answers = await Promise.all(ids.map((id) => this.node(id).status()));
        const bodies = answers.flatMap((answer) => answer?.body ?? []);
        const leaders = new Set(bodies.map(({ leader_id: leader }) => leader));
        const agree = bodies.every((body) => body.healthy && String(body.voters) === String(voters));
        const [leader] = leaders;
        if (bodies.length !== ids.length || !agree || leaders.size !== 1) return undefined;
        const views = await Promise.all(ids.map((id) => this.node(id).members(MEMBERS_WITHIN_MS)));
        const serve = views.every(({ body }) => ids.every((id) => isRunningBroker(body, id)));
        return serve && (leader ?? undefined);
      },
      withinMs,
    );
  }

  /** The one of these nodes, by default of all that run, that each of them names as leader, once they agree. */
  async leader(nodes: readonly ClusterNode[] = this.running, withinMs = FORMS_WITHIN_MS): Promise<ClusterNode> {
    return this.until(
      `nodes ${nodes.map(({ id }) => id).join(', ')} name one of them as leader`,
      async () => {
        const answers = await Promise.all(nodes.map((node) => node.status()));
        const leaders = new Set(answers.map((answer) => answer?.body.leader_id));
        const [leader] = leaders;
        return leaders.size === 1 && nodes.find(({ id }) => id === leader);
      },
      withinMs,
    );
  }

  /** Running nodes but the leader, by id. */
  async followers(): Promise<ClusterNode[]> {
    const leader = await this.leader();
    return this.running.filter((node) => node !== leader);
  }

  /** Resolves when a node's status fulfils a condition; returns that status. */
  async statusOf(id: number, what: string, holds: (answer: StatusAnswer) => boolean, withinMs?: number): Promise<StatusAnswer> {
    return this.until(
      `node ${id}: ${what}`,
      async () => {
        const answer = await this.node(id).status();
        return answer !== undefined && holds(answer) && answer;
      },
      withinMs,
    );
  }

  /** Asks again and again until the answer is something; fails with what every node shows and logged. */
  async until<T>(what: string, ask: () => Promise<T | undefined | false>, withinMs?: number): Promise<T> {
    try {
      return await eventually(what, ask, withinMs);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${await this.dump()}`, { cause: (error as Error).cause });
    }
  }

  /** What every node shows and the end of what it logged, to read after a failure. */
  async dump(): Promise<string> {
    const parts = await Promise.all(
      this.nodes.map(async (node) => {
        const status = node.isRunning ? await node.status(500) : undefined;
        const shown = status ? `${status.code} ${JSON.stringify(status.body)}` : 'no status';
        return `--- node ${node.id} (${node.describe()}): ${shown}\n${node.tail()}`;
      }),
    );
    return parts.join('\n');
  }

  /** Ends what still runs and deletes everything. */
  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.dispose()));
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** After each test that failed: what the nodes show and logged, on the standard error. */
export function dumpFailures(clusterOf: () => Cluster | undefined): void {
  afterEach(async ({ task }) => {
    const cluster = clusterOf();
    if (task.result?.state === 'fail' && cluster) console.error(await cluster.dump());
  });
}
