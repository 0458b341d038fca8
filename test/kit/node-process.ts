import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { claimPorts } from './ports';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** All four roles in one process, or one process each. */
export type Topology = 'combined' | 'split';

export const SPLIT_ROLES = ['controller', 'storage', 'gateway', 'admin'] as const;
export type SplitRole = (typeof SPLIT_ROLES)[number];
const READY_WITHIN_MS = 60_000;
/** Long: a busy machine may need it, and a stop that hangs costs this much only once. */
const STOP_TIMEOUT_MS = 60_000;
const STOP_WITHIN_MS = STOP_TIMEOUT_MS + 10_000;
const PROBE_WITHIN_MS = 5_000;

export interface NodeOptions {
  readonly topology?: Topology;
  /** Starts the processes of a split node as `nx serve` does, each from its own bundle, and not as the `streamline` command. */
  readonly served?: boolean;
  /** Another bundle than that of the `streamline` command: that of an older version. */
  readonly main?: string;
  /** Flags beside the addresses and the data directory. */
  readonly flags?: readonly string[];
  /** An existing directory to start on; otherwise a fresh one that `remove` deletes. */
  readonly dataDir?: string;
}

/** One Streamline node as real processes, started with the real command. */
export class NodeProcess {
  private processes: ChildProcess[] = [];
  private output = '';

  private constructor(
    readonly topology: Topology,
    readonly dataDir: string,
    readonly kafkaPort: number,
    readonly httpPort: number,
    private readonly rolePorts: readonly number[],
    private readonly flags: readonly string[],
    private readonly served: boolean,
    private readonly main: string | undefined,
  ) {}

  static async create(options: NodeOptions = {}): Promise<NodeProcess> {
    const ports = await claimPorts(6);
    const [kafkaPort = 0, httpPort = 0, ...rolePorts] = ports;
    const dataDir = options.dataDir ?? (await mkdtemp(path.join(tmpdir(), 'streamline-test-')));
    const { topology = 'combined', flags = [], served = false, main } = options;
    return new NodeProcess(topology, dataDir, kafkaPort, httpPort, rolePorts, flags, served, main);
  }

  /** Creates, starts and waits until ready. */
  static async start(options: NodeOptions = {}): Promise<NodeProcess> {
    const node = await NodeProcess.create(options);
    await node.start();
    return node;
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.kafkaPort}`;
  }

  get http(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  /** Where the admin role's gRPC service listens. */
  get adminGrpc(): string {
    return `127.0.0.1:${this.topology === 'combined' ? this.rolePorts[0] : this.rolePorts[3]}`;
  }

  get pids(): number[] {
    return this.processes.flatMap((child) => child.pid ?? []);
  }

  /** What the processes have printed so far. */
  get log(): string {
    return this.output;
  }

  /** True where a process that was started is not there any more. */
  get hasEnded(): boolean {
    return this.ended !== undefined;
  }

  async start(): Promise<void> {
    this.spawnAll();
    await this.waitReady();
  }

  /** Starts without waiting. */
  spawnAll(): void {
    if (this.topology === 'combined') {
      this.processes = [this.spawn([...this.commonFlags(), '--inter-broker-addr', this.roleAddress(0), ...this.flags])];
      return;
    }
    this.processes = SPLIT_ROLES.map((role) => this.spawnRole(role));
  }

  /** Ends the process of one role of a split node with kill -9 and starts it again, without waiting until it is ready. */
  async killAndStartRole(role: SplitRole): Promise<void> {
    const index = SPLIT_ROLES.indexOf(role);
    const child = this.processes[index];
    if (this.topology !== 'split' || !child) throw new Error(`there is no process of the role ${role} alone`);
    await this.endOne(child, 'SIGKILL');
    this.processes[index] = this.spawnRole(role);
  }

  /** Where the inter-broker listener of each process is. */
  get interBrokerAddresses(): string[] {
    return this.topology === 'combined' ? [this.roleAddress(0)] : SPLIT_ROLES.map((_role, index) => this.roleAddress(index));
  }

  /** Resolves when /health/ready says 200; fails with the log when a process ends or time runs out. */
  async waitReady(withinMs = READY_WITHIN_MS): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      const { ended } = this;
      if (ended)
        throw new Error(`a process ended with ${ended.exitCode ?? ended.signalCode} before it was ready:\n${this.output}`);
      if (await this.isReady()) return;
      if (performance.now() > deadlineMs) throw new Error(`not ready within ${withinMs} ms:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Sends a signal to every process and waits until all have ended; returns their exit codes (null where killed). */
  async end(signal: NodeJS.Signals): Promise<(number | null)[]> {
    const running = this.processes;
    this.processes = [];
    // The controller goes last, so that the others can still take their leave.
    const order = signal === 'SIGKILL' ? [running] : [running.slice(1), running.slice(0, 1)];
    for (const group of order) {
      await Promise.all(group.map((child) => this.endOne(child, signal)));
    }
    return running.map((child) => child.exitCode);
  }

  stop(): Promise<(number | null)[]> {
    return this.end('SIGTERM');
  }

  kill(): Promise<(number | null)[]> {
    return this.end('SIGKILL');
  }

  /** Ends what still runs and deletes the data. */
  async remove(): Promise<void> {
    // A process that only passes signals on cannot pass on a kill.
    await (this.served ? this.stop() : this.kill());
    await rm(this.dataDir, { recursive: true, force: true });
  }

  private get ended(): ChildProcess | undefined {
    return this.processes.find((child) => child.exitCode !== null || child.signalCode !== null);
  }

  private roleAddress(index: number): string {
    return `127.0.0.1:${this.rolePorts[index]}`;
  }

  private commonFlags(): string[] {
    return [
      ...['--profile', 'development', '--data-dir', this.dataDir, '--log-format', 'json'],
      ...['--stop-timeout-ms', String(STOP_TIMEOUT_MS)],
      ...['--listen-addr', this.bootstrap, '--advertised-addr', this.bootstrap, '--http-addr', `127.0.0.1:${this.httpPort}`],
    ];
  }

  private spawnRole(role: SplitRole): ChildProcess {
    const [controller, gateway] = [this.roleAddress(0), this.roleAddress(SPLIT_ROLES.indexOf('gateway'))];
    const own = ['--inter-broker-addr', this.roleAddress(SPLIT_ROLES.indexOf(role))];
    const others = ['--controller-addrs', controller, '--gateway-addr', gateway];
    const flags = [...this.commonFlags(), ...own, ...others, ...this.flags];
    if (this.served) return this.spawn(['tools/serve.mjs', role, ...flags], process.execPath);
    return this.spawn(['--roles', role, ...flags]);
  }

  private async endOne(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await exited;
    clearTimeout(late);
  }

  private spawn(args: readonly string[], command?: string): ChildProcess {
    if (command === undefined && this.main !== undefined) return this.spawn([this.main, ...args], process.execPath);
    return this.run(command ?? path.join(root, 'bin/streamline'), args);
  }

  private run(command: string, args: readonly string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: root });
    const keep = (chunk: Buffer): void => {
      this.output = (this.output + chunk.toString()).slice(-200_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    return child;
  }

  private async isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.http}/health/ready`, { signal: AbortSignal.timeout(PROBE_WITHIN_MS) });
      return response.status === 200;
    } catch {
      return false;
    }
  }
}
