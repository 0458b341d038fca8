import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Command, REPOSITORY, type Ended } from './command';
import { eventually } from './conditions';

const run = promisify(execFile);

/** As the Dockerfile has it. */
export const CONTAINER_UID = 65_532;
export const INSTALLED_AT = '/opt/streamline';
const DEVICES = ['null', 'zero', 'random', 'urandom'];
const ANYBODY_READS = 0o755;
/** Of a container engine. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Why containers cannot be imitated here; undefined where they can. */
export async function containersMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'only root can give a process namespaces of its own';
  return run('unshare', ['--mount', '--pid', '--fork', 'setpriv', '--version']).then(
    () => undefined,
    (error: unknown) => `no namespaces or no setpriv: ${String(error)}`,
  );
}

/** The file system of an image: a directory with what `deploy/image-content.mjs` writes at its place and the least of a Linux around it. */
export class ImageRoot {
  private constructor(readonly directory: string) {}

  /** `content` fills the folder that is /opt/streamline of the image. */
  static async create(content: (folder: string) => Promise<void>): Promise<ImageRoot> {
    const directory = await mkdtemp(path.join(tmpdir(), 'streamline-image-'));
    await chmod(directory, ANYBODY_READS);
    const at = (...parts: string[]): string => path.join(directory, ...parts);
    await Promise.all(['usr', 'proc', 'dev', 'data', 'etc', 'opt'].map((name) => mkdir(at(name))));
    await Promise.all(DEVICES.map((device) => writeFile(at('dev', device), '')));
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
      if ((await lstat(`/${name}`).catch(() => undefined))?.isSymbolicLink()) {
        await symlink(await readlink(`/${name}`), at(name));
      }
    }
    await writeFile(at('etc/nsswitch.conf'), 'hosts: files dns\n');
    await content(at(INSTALLED_AT));
    const image = new ImageRoot(directory);
    await image.writeHosts({ localhost: '127.0.0.1' });
    return image;
  }

  /** What /etc/hosts of the containers says: addresses by name. */
  async writeHosts(addresses: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(addresses).map(([name, address]) => `${address} ${name}\n`);
    await writeFile(path.join(this.directory, 'etc/hosts'), lines.join(''));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

export interface ContainerOptions {
  readonly image: ImageRoot;
  /** On this machine, made where it is not there; /data in the container, and its user's. */
  readonly dataDir: string;
  /** Entry point and command. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * The command line that becomes `command` as a container has it: read-only root, a user without rights, no capabilities, no
 * environment but its own. Its process is the one that this starts, so that signals and the exit code are its own.
 */
export function containerCommand({ image, dataDir, env = {}, command }: ContainerOptions): string[] {
  const variables = { PATH: DEFAULT_PATH, ...env };
  return [
    ...['env', '-i', ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)],
    ...['unshare', '--mount', 'sh', path.join(REPOSITORY, 'test/kit/container.sh'), image.directory, dataDir, ...command],
  ];
}

/**
 * A program, to be written to a file, that becomes its arguments as a container of `image` has them: the data is in `data` of
 * the directory where it is started.
 */
export function containerLauncher(image: ImageRoot, env: Readonly<Record<string, string>>): string {
  const words = containerCommand({ image, env, dataDir: 'data', command: [] });
  return `#!/bin/sh\nexec ${words.map((word) => `'${word}'`).join(' ')} "$@"\n`;
}

/** A container that is also the first process of a process namespace, to which signals have other defaults. */
export class Container {
  private constructor(
    private readonly command: Command,
    private readonly options: ContainerOptions,
  ) {}

  static start(options: ContainerOptions): Container {
    return new Container(Command.start('unshare', ['--pid', '--fork', ...containerCommand(options)]), options);
  }

  get output(): string {
    return this.command.output;
  }

  prints(text: string, withinMs?: number): Promise<void> {
    return this.command.prints(text, withinMs);
  }

  /** Ends with `signal`, sent to the first process of the container as an engine sends it. */
  async end(signal: NodeJS.Signals): Promise<Ended> {
    process.kill(await this.firstPid(), signal);
    return this.command.end();
  }

  /** Runs another program in the same image and network, beside the container: its health check. */
  async exec(command: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
    const [file = '', ...args] = containerCommand({ ...this.options, command });
    const other = Command.start(file, args);
    const { code } = await other.end();
    return { code, output: other.output };
  }

  async dispose(): Promise<void> {
    const pid = childrenOf(this.command.pid)[0];
    // The end of the first process of a namespace is the end of all in it.
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await this.command.dispose();
  }

  private firstPid(): Promise<number> {
    return eventually('the container has a process', () => childrenOf(this.command.pid)[0]);
  }
}

/** Processes that a process has started and that are there. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
