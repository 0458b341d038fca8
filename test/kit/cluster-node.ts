import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Command, CommandOptions, Ended } from './command';
import { eventually, HopelessError } from './conditions';
import { ask, type HttpAnswer, jsonOf, type MembersAnswer, type StatusAnswer } from './cluster-http';

/** Nodes that are frozen do not answer at all. */
const STATUS_WITHIN_MS = 2_000;
const READY_WITHIN_MS = 60_000;
const STOPS_WITHIN_MS = 70_000;
const DUMPED_LINES = 60;

export interface NodePlan {
  readonly id: number;
  /** Its own: working directory, data and all. */
  readonly directory: string;
  /** The flags of its command. */
  readonly flags: readonly string[];
  /** Host and port by which this process reaches its listeners. */
  readonly kafka: string;
  readonly http: string;
  /** Host and port by which its peers know its inter-broker listener. */
  readonly interBroker: string;
  /** The data directory that the flags name, as this process sees it. */
  readonly dataDir: string;
  /** Starts `streamline` with these arguments. */
  launch(args: readonly string[], options: CommandOptions): Command;
}

/** One node of a cluster as a real process, over as many runs as a spec likes. */
export class ClusterNode {
  private readonly runs: Command[] = [];
  private frozen = false;

  constructor(readonly plan: NodePlan) {}

  get id(): number {
    return this.plan.id;
  }

  /** `host:port` of Kafka clients. */
  get kafka(): string {
    return this.plan.kafka;
  }

  get interBroker(): string {
    return this.plan.interBroker;
  }

  /** The process of the latest run. */
  get command(): Command {
    const command = this.runs.at(-1);
    if (!command) throw new Error(`node ${this.id} was never started`);
    return command;
  }

  get isRunning(): boolean {
    const child = this.runs.at(-1)?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** What all runs have printed. */
  get log(): string {
    return this.runs.map(({ output }) => output).join('');
  }

  /** What the latest run has printed. */
  get latestLog(): string {
    return this.runs.at(-1)?.output ?? '';
  }

  /** Starts its command, by default with the flags that the cluster planned; does not wait until it is ready. */
  async start(flags: readonly string[] = this.plan.flags): Promise<Command> {
    if (this.isRunning) throw new Error(`node ${this.id} runs already`);
    await mkdir(this.plan.directory, { recursive: true });
    const command = this.plan.launch(flags, { cwd: this.plan.directory });
    this.runs.push(command);
    this.frozen = false;
    return command;
  }

  /** SIGTERM, and the end of the process. */
  async stop(): Promise<Ended> {
    this.signal('SIGTERM');
    return this.command.end(STOPS_WITHIN_MS);
  }

  /** kill -9, and the end of the process. */
  async kill(): Promise<Ended> {
    this.signal('SIGKILL');
    return this.command.end(STOPS_WITHIN_MS);
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.isRunning) throw new Error(`node ${this.id} does not run:\n${this.tail()}`);
    this.command.child.kill(signal);
  }

  /** Silent from now on, with all its connections open (SIGSTOP). */
  freeze(): void {
    this.signal('SIGSTOP');
    this.frozen = true;
  }

  thaw(): void {
    this.signal('SIGCONT');
    this.frozen = false;
  }

  /** Deletes its data, as a new disk would. */
  async wipe(): Promise<void> {
    if (this.isRunning) throw new Error(`node ${this.id} runs: its data can't be deleted`);
    await rm(this.plan.dataDir, { recursive: true, force: true });
  }

  url(pathname: string): string {
    return `http://${this.plan.http}${pathname}`;
  }

  get(pathname: string, withinMs?: number): Promise<HttpAnswer> {
    return ask('GET', this.url(pathname), undefined, withinMs);
  }

  post(pathname: string, body: unknown, withinMs?: number): Promise<HttpAnswer> {
    return ask('POST', this.url(pathname), body, withinMs);
  }

  delete(pathname: string, withinMs?: number): Promise<HttpAnswer> {
    return ask('DELETE', this.url(pathname), undefined, withinMs);
  }

  /** GET /api/v1/cluster/status; undefined when nobody answers in time. To be asked again and again. */
  async status(withinMs = STATUS_WITHIN_MS): Promise<StatusAnswer | undefined> {
    const answer = await this.get('/api/v1/cluster/status', withinMs).catch(() => undefined);
    return answer && { code: answer.code, body: jsonOf(answer) as StatusAnswer['body'] };
  }

  /** What its status is now, however long the answer takes. Fails when nobody answers. */
  async shown(): Promise<StatusAnswer> {
    const answer = await this.get('/api/v1/cluster/status');
    return { code: answer.code, body: jsonOf(answer) as StatusAnswer['body'] };
  }

  /** GET /api/v1/cluster/members. */
  async members(withinMs?: number): Promise<MembersAnswer> {
    const answer = await this.get('/api/v1/cluster/members', withinMs);
    return { code: answer.code, body: jsonOf(answer) as MembersAnswer['body'] };
  }

  /** Resolves when its log holds a text or matches; fails when the process ends without it. */
  async logs(text: string | RegExp, withinMs = READY_WITHIN_MS): Promise<void> {
    await eventually(
      `node ${this.id} logs ${text}`,
      () => {
        if (typeof text === 'string' ? this.latestLog.includes(text) : text.test(this.latestLog)) return true;
        if (this.command.ending === undefined) return false;
        throw new HopelessError(`node ${this.id} ended without logging ${text}:\n${this.tail()}`);
      },
      withinMs,
    );
  }

  /** The end of its log, for failures. */
  tail(): string {
    return this.log.trimEnd().split('\n').slice(-DUMPED_LINES).join('\n');
  }

  /** In a word or two, for failures. */
  describe(): string {
    const child = this.runs.at(-1)?.child;
    if (!child) return 'never started';
    if (this.isRunning) return this.frozen ? `frozen, pid ${child.pid}` : `running, pid ${child.pid}`;
    return `ended with ${child.exitCode ?? child.signalCode}`;
  }

  /** Ends what still runs. */
  async dispose(): Promise<void> {
    await Promise.all(this.runs.map((command) => command.dispose()));
  }

  /** The file of the data directory. */
  file(name: string): string {
    return path.join(this.plan.dataDir, name);
  }
}
