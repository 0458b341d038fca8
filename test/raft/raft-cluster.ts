import { build } from 'esbuild';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasCode } from '@streamline/runtime/raft/disk-errors';
import type { RaftConfig, RaftStatus } from '@streamline/core/raft/types';
import type { History, KeyOperation } from '@streamline/testing/history/history';
import { claimPorts } from '../kit/ports';
import type { RaftNodeAnswer, RaftNodeSettings } from './raft-node';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const READY_WITHIN_MS = 60_000;
/** Found in node_modules at run time. */
const EXTERNAL = ['@node-rs/crc32', 'snappy', 'lz4-napi', '@toondepauw/node-zstd', 'rocksdb-native'];

export type RaftNodeStatus = RaftStatus & { readonly leads: boolean };

/** Three or five voters as real processes on loopback, that can be killed, stopped for a while, and started again. */
export class RaftCluster {
  readonly #processes = new Map<number, ChildProcess>();
  /** What the processes said on stderr. */
  complaints = '';

  private constructor(
    readonly directory: string,
    private readonly raftPorts: Readonly<Record<number, number>>,
    private readonly httpPorts: Readonly<Record<number, number>>,
    private readonly config: Partial<RaftConfig>,
  ) {}

  /** Starts `count` nodes. */
  static async start(count: number, config: Partial<RaftConfig> = {}): Promise<RaftCluster> {
    const directory = await mkdtemp(path.join(tmpdir(), 'raft-cluster-'));
    const ports = await claimPorts(2 * count);
    const byNode = (offset: number): Record<number, number> =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [at + 1, ports[offset + at] ?? 0]));
    const cluster = new RaftCluster(directory, byNode(0), byNode(count), config);
    await cluster.#bundle();
    await cluster.startAll();
    return cluster;
  }

  get nodes(): readonly number[] {
    return Object.keys(this.raftPorts).map(Number);
  }

  isRunning(node: number): boolean {
    return this.#processes.has(node);
  }

  /** Those that do not run, at the same time. */
  async startAll(): Promise<void> {
    await Promise.all(this.nodes.filter((node) => !this.isRunning(node)).map((node) => this.startNode(node)));
  }

  async startNode(node: number): Promise<void> {
    const settings: RaftNodeSettings = {
      node,
      directory: path.join(this.directory, `node-${node}`),
      httpPort: this.httpPorts[node] ?? 0,
      raftPorts: this.raftPorts,
      config: this.config,
    };
    const child = spawn(process.execPath, [this.#main, JSON.stringify(settings)], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#processes.set(node, child);
    child.stderr.on('data', (text: Buffer) => (this.complaints += `node ${node}: ${text.toString()}`));
    const exited = once(child, 'exit').then(() => {
      throw new Error(`node ${node} ended: ${this.complaints}`);
    });
    exited.catch(() => undefined);
    await Promise.race([once(child.stdout, 'data', { signal: AbortSignal.timeout(READY_WITHIN_MS) }), exited]);
  }

  /** SIGKILL ends it in the middle of whatever it does, SIGTERM as an operator would. Resolves when it is gone. */
  async end(node: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#processes.get(node);
    if (child === undefined) return;
    this.#processes.delete(node);
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  /** SIGSTOP and SIGCONT. */
  pause(node: number): void {
    this.#processes.get(node)?.kill('SIGSTOP');
  }

  resume(node: number): void {
    this.#processes.get(node)?.kill('SIGCONT');
  }

  async status(node: number): Promise<RaftNodeStatus | undefined> {
    const text = await this.#request(node, '/status', undefined, 1_000).catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as RaftNodeStatus);
  }

  /** The node that says it leads in the highest term. */
  async leader(): Promise<number | undefined> {
    let found: { readonly node: number; readonly term: number } | undefined;
    for (const node of this.#processes.keys()) {
      const status = await this.status(node);
      if (status?.leads === true && status.term > (found?.term ?? 0)) found = { node, term: status.term };
    }
    return found?.node;
  }

  /** Calls a node and writes down what happened. */
  async call(
    history: History,
    client: number,
    node: number,
    key: string,
    operation: KeyOperation,
    deadlineMs: number,
  ): Promise<void> {
    const entry = history.call(client, key, operation, performance.now());
    const body = JSON.stringify({ key, operation });
    const answer = await this.#request(node, '/call', body, deadlineMs).then(
      (text): RaftNodeAnswer => JSON.parse(text),
      (error: unknown): RaftNodeAnswer => ({ kind: hasCode(error, 'ECONNREFUSED') ? 'refused' : 'unknown' }),
    );
    // It surely had no effect.
    if (answer.kind === 'refused') history.entries.splice(history.entries.indexOf(entry), 1);
    if (answer.kind !== 'done') return;
    entry.result = answer.result;
    entry.returnedAt = performance.now();
  }

  async remove(): Promise<void> {
    for (const node of this.nodes) {
      this.resume(node);
      await this.end(node, 'SIGKILL');
    }
    await rm(this.directory, { recursive: true, force: true });
  }

  get #main(): string {
    return path.join(this.directory, 'raft-node.mjs');
  }

  async #bundle(): Promise<void> {
    await symlink(path.join(root, 'node_modules'), path.join(this.directory, 'node_modules'));
    const banner =
      "import { createRequire } from 'node:module'; const require = createRequire(" +
      JSON.stringify(`${root}/package.json`) +
      ');';
    await build({
      absWorkingDir: root,
      entryPoints: ['test/raft/raft-node.ts'],
      outfile: this.#main,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      tsconfig: 'tsconfig.base.json',
      banner: { js: banner },
      external: EXTERNAL,
      logLevel: 'silent',
    });
  }

  #request(node: number, url: string, body: string | undefined, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: this.httpPorts[node],
        path: url,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'x-deadline-ms': String(timeoutMs) },
        signal: AbortSignal.timeout(timeoutMs + 1_000),
      };
      const request = http.request(options, (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('end', () => resolve(Buffer.concat(pieces).toString()));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}
