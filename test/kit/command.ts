import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, HopelessError, within } from './conditions';

export const REPOSITORY = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const ENDS_WITHIN_MS = 90_000;

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Leads a process group of its own, as a shell gives each job one. */
  readonly ownGroup?: boolean;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A command of the repository as a process, with what it prints. */
export class Command {
  stdout = '';
  stderr = '';
  /** How the process ended, once everything that it printed was read. */
  ending: Ended | undefined;
  private readonly ended: Promise<Ended>;

  private constructor(readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.ended = once(child, 'close').then(([code, signal]) => (this.ending = { code, signal } as Ended));
  }

  static start(file: string, args: readonly string[], options: CommandOptions = {}): Command {
    const child = spawn(file, args, {
      cwd: options.cwd ?? REPOSITORY,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: options.ownGroup ?? false,
    });
    return new Command(child);
  }

  static streamline(args: readonly string[], options?: CommandOptions): Command {
    return Command.start(path.join(REPOSITORY, 'bin/streamline'), args, options);
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the command did not start');
    return this.child.pid;
  }

  get output(): string {
    return this.stdout + this.stderr;
  }

  /** Resolves when the process has ended and everything that it printed was read. */
  end(withinMs = ENDS_WITHIN_MS): Promise<Ended> {
    return within(`the end of the process; it printed:\n${this.output}`, this.ended, withinMs);
  }

  /** Resolves when the output holds `text`; fails when the process ends without it. */
  async prints(text: string, withinMs = ENDS_WITHIN_MS): Promise<void> {
    await eventually(
      `'${text}' is printed`,
      () => {
        if (this.output.includes(text)) return true;
        if (this.ending === undefined) return false;
        const { code, signal } = this.ending;
        throw new HopelessError(`the process ended with ${code ?? signal} without printing '${text}':\n${this.output}`);
      },
      withinMs,
    );
  }

  /** Ends what still runs, for the end of a spec. */
  async dispose(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill('SIGKILL');
    await this.ended;
  }
}
