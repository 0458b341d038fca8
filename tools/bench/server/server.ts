import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { apiVersions } from '@streamline/wire/kafka/apis/18-api-versions';
import { KafkaClient } from '@streamline/testing/kafka-client/kafka-client';
import { processTree, residentBytesOf } from './process-stats';

const ANSWER_WITHIN_MS = 180_000;
const STOP_WITHIN_MS = 120_000;
const LOWEST_PORT = 20_000;
const PORTS = 12_000;
const LOG_CHARACTERS = 20_000;

export type ServerName = 'streamline' | 'kafka';

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/** Everything that must not outlive this tool, whichever way it ends. */
const running = new Set<Server>();

/** Ends every server by its process id and deletes its data; for signal handlers, so it does not wait. */
export function killAllServers(): void {
  for (const server of running) server.destroyNow();
}

/** A server under test: real processes with a data directory of their own and ports that were free. */
export abstract class Server {
  abstract readonly name: ServerName;
  protected readonly ports: readonly number[];
  private child: ChildProcess | undefined;
  private output = '';

  protected constructor(
    readonly dataDir: string,
    ports: readonly number[],
  ) {
    this.ports = ports;
    running.add(this);
  }

  /** Brings the data directory into the state that the first start needs. */
  abstract format(): Promise<void>;
  protected abstract command(): Command;

  get port(): number {
    return this.ports[0] ?? 0;
  }

  get pids(): number[] {
    return this.child?.pid === undefined ? [] : processTree(this.child.pid);
  }

  get isRunning(): boolean {
    const { child } = this;
    return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get residentBytes(): number {
    return residentBytesOf(this.pids);
  }

  /** Starts the server and waits until it answers ApiVersions: milliseconds from spawn to answer. */
  async start(): Promise<number> {
    const startedMs = performance.now();
    const { command, args } = this.command();
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer): void => {
      this.output = (this.output + chunk.toString()).slice(-LOG_CHARACTERS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => keep(Buffer.from(String(error))));
    this.child = child;
    await this.firstAnswer(startedMs + ANSWER_WITHIN_MS);
    return performance.now() - startedMs;
  }

  /** Sends the signal and waits for the end of the process: milliseconds that took. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
    const child = this.child;
    if (child === undefined) return 0;
    const startedMs = performance.now();
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
      await exited;
      clearTimeout(late);
    }
    this.child = undefined;
    return performance.now() - startedMs;
  }

  /** Ends the process and deletes its data. */
  async remove(): Promise<void> {
    await this.end('SIGKILL');
    running.delete(this);
    await rm(this.dataDir, { recursive: true, force: true });
  }

  destroyNow(): void {
    this.child?.kill('SIGKILL');
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 3 });
  }

  private async firstAnswer(deadlineMs: number): Promise<void> {
    for (;;) {
      if (!this.isRunning) {
        throw new Error(`${this.name} ended before it answered:\n${this.output}`);
      }
      if (await answersApiVersions(this.port)) return;
      if (performance.now() > deadlineMs) throw new Error(`${this.name} did not answer in time:\n${this.output}`);
      await delay(5);
    }
  }
}

async function answersApiVersions(port: number): Promise<boolean> {
  let client: KafkaClient | undefined;
  try {
    client = await KafkaClient.connect({ port, clientId: 'bench' });
    await client.request(apiVersions, 0, {});
    return true;
  } catch {
    return false;
  } finally {
    await client?.close();
  }
}

export function temporaryDirectory(name: string): Promise<string> {
  return mkdtemp(path.join(tmpdir(), `streamline-bench-${name}-`));
}

/**
 * TCP ports of 127.0.0.1 that were free a moment ago, below those that the kernel gives to clients: a server that is started
 * again finds its port still free.
 */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORTS);
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  try {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    if (server.listening) await new Promise((closed) => server.close(closed));
  }
}
