import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RaftConfig } from '@streamline/core/raft/types';
import type { ClosedLoad, LoadResult, PacedLoad, VoterMessage, VoterQuestion, VoterSettings, VoterStatus } from './protocol';

const VOTER_MAIN = fileURLToPath(new URL('voter.mjs', import.meta.url));
const READY_WITHIN_MS = 30_000;
const ANSWER_WITHIN_MS = 60_000;
const POLL_MS = 20;

export interface VoterClusterOptions {
  readonly count: number;
  /** The first of `count` ports on 127.0.0.1. */
  readonly firstPort: number;
  readonly config?: Partial<RaftConfig>;
  readonly stateBytes?: number;
  /** Where processes that end in order leave CPU profiles. */
  readonly profileDirectory?: string | undefined;
}

interface Voter {
  readonly child: ChildProcess;
  readonly answers: Map<number, (answer: VoterStatus | LoadResult | undefined) => void>;
}

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

const running = new Set<VoterCluster>();

/** At once: for a benchmark that is interrupted. */
export function killAllVoters(): void {
  for (const cluster of running) cluster.killAll();
}

/** Voters as real processes on loopback with their files on the real disk. */
export class VoterCluster {
  readonly #voters = new Map<number, Voter>();
  readonly #listeners = new Set<(node: number, message: VoterMessage) => void>();
  #lastId = 0;
  #isRemoved = false;

  private constructor(
    private readonly directory: string,
    private readonly options: VoterClusterOptions,
  ) {}

  /** Resolves once one of them leads and a proposal was committed. */
  static async start(options: VoterClusterOptions): Promise<VoterCluster> {
    const cluster = new VoterCluster(await mkdtemp(path.join(tmpdir(), 'raft-bench-')), options);
    running.add(cluster);
    const elected = cluster.next('leads');
    await Promise.all(cluster.nodes.map((node) => cluster.startNode(node)));
    await elected;
    return cluster;
  }

  get nodes(): readonly number[] {
    return Array.from({ length: this.options.count }, (_, at) => at + 1);
  }

  /** Of the processes that run. */
  get pids(): readonly number[] {
    return this.nodes.flatMap((node) => this.pidsOf(node));
  }

  pidsOf(node: number): readonly number[] {
    const pid = this.#voters.get(node)?.child.pid;
    return pid === undefined ? [] : [pid];
  }

  async startNode(node: number): Promise<void> {
    const { firstPort, config = {}, stateBytes = 0, profileDirectory } = this.options;
    const settings: VoterSettings = {
      node,
      directory: path.join(this.directory, `node-${node}`),
      raftPorts: Object.fromEntries(this.nodes.map((each) => [each, firstPort + each - 1])),
      config,
      stateBytes,
    };
    const flags = profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDirectory}`];
    const child = spawn(process.execPath, [...flags, VOTER_MAIN, JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let complaints = '';
    child.stderr?.on('data', (text: Buffer) => (complaints += text.toString()));
    const voter: Voter = { child, answers: new Map() };
    this.#voters.set(node, voter);
    const ready = this.next('ready', (from) => from === node, READY_WITHIN_MS);
    child.on('message', (message: VoterMessage) => this.#heard(node, voter, message));
    child.once('exit', (code) => {
      if (this.#voters.get(node) !== voter || this.#isRemoved) return;
      process.stderr.write(`node ${node} ended with ${code}: ${complaints}\n`);
    });
    await ready;
  }

  /** The next message of that kind from any node (or one for which `matches`), with its node and when it came. */
  next(
    kind: VoterMessage['kind'],
    matches: (node: number) => boolean = () => true,
    withinMs = READY_WITHIN_MS,
  ): Promise<{ readonly node: number; readonly atMs: number }> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#listeners.delete(listener);
        reject(new Error(`no '${kind}' within ${withinMs} ms`));
      }, withinMs);
      const listener = (node: number, message: VoterMessage): void => {
        if (message.kind !== kind || !matches(node)) return;
        clearTimeout(late);
        this.#listeners.delete(listener);
        resolve({ node, atMs: performance.now() });
      };
      this.#listeners.add(listener);
    });
  }

  status(node: number): Promise<VoterStatus> {
    return this.#ask(node, { kind: 'status' });
  }

  load(node: number, load: ClosedLoad): Promise<LoadResult> {
    return this.#ask(node, { kind: 'load', load });
  }

  begin(node: number, load: PacedLoad): Promise<void> {
    return this.#ask(node, { kind: 'begin', load });
  }

  window(node: number): Promise<LoadResult> {
    return this.#ask(node, { kind: 'window' });
  }

  /** Waits until all that run agree on a leader, which leads, and have applied what it has committed. */
  async settled(): Promise<{ readonly leader: number; readonly term: number }> {
    const untilMs = performance.now() + READY_WITHIN_MS;
    while (performance.now() < untilMs) {
      const nodes = [...this.#voters.keys()];
      const all = await Promise.all(nodes.map((node) => this.status(node)));
      const at = all.findIndex(({ leads, self, leaderId }) => leads && leaderId === self);
      const leader = all[at];
      const isSettled = ({ term, leaderId, appliedIndex }: VoterStatus): boolean =>
        term === leader?.term && leaderId === leader.self && appliedIndex === leader.lastIndex;
      if (leader !== undefined && all.every(isSettled)) return { leader: nodes[at] ?? 0, term: leader.term };
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`the cluster did not settle within ${READY_WITHIN_MS} ms`);
  }

  /** In the middle of whatever it does. Returns when the signal was sent, on this process's clock; `gone` resolves after it. */
  kill(node: number): { readonly atMs: number; readonly gone: Promise<unknown> } {
    const voter = this.#voters.get(node);
    if (voter === undefined) throw new Error(`node ${node} does not run`);
    this.#voters.delete(node);
    const gone = once(voter.child, 'exit');
    const atMs = performance.now();
    voter.child.kill('SIGKILL');
    return { atMs, gone };
  }

  /** SIGSTOP: its connections stay, and nobody answers on them. Returns when. */
  pause(node: number): number {
    const atMs = performance.now();
    this.#voters.get(node)?.child.kill('SIGSTOP');
    return atMs;
  }

  resume(node: number): void {
    this.#voters.get(node)?.child.kill('SIGCONT');
  }

  killAll(): void {
    this.#isRemoved = true;
    for (const { child } of this.#voters.values()) child.kill('SIGKILL');
  }

  /** Ends all in order and removes their files. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    const children = [...this.#voters.values()].map(({ child }) => child);
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGCONT');
        child.kill('SIGTERM');
        await gone;
      }),
    );
    await rm(this.directory, { recursive: true, force: true });
    running.delete(this);
  }

  #ask<Answer>(node: number, question: Without<VoterQuestion, 'id'>): Promise<Answer> {
    const voter = this.#voters.get(node);
    if (voter === undefined) return Promise.reject(new Error(`node ${node} does not run`));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`node ${node} does not answer '${question.kind}'`)), ANSWER_WITHIN_MS);
      voter.answers.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer as Answer);
      });
      voter.child.send({ ...question, id });
    });
  }

  #heard(node: number, voter: Voter, message: VoterMessage): void {
    if (message.kind === 'answer') {
      voter.answers.get(message.id)?.(message.answer);
      voter.answers.delete(message.id);
    }
    for (const listener of [...this.#listeners]) listener(node, message);
  }
}
