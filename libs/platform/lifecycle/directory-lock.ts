import { randomBytes, randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Another live process has the directory. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';

  constructor(
    readonly directory: string,
    readonly holderPid: number,
  ) {
    super(`${directory} is in use by process ${holderPid}`);
  }
}

export interface LockOptions {
  /** How long to wait for a holder to let go; 0: not at all. */
  readonly waitMs: number;
}

const NAME = /^lock\.([0-9]{1,10})\.([0-9a-f]{16})$/;
const ANSWER_TIMEOUT_MS = 500;
/** Contenders that start at the same moment settle it well within this. */
const CONTENTION_MS = 2_000;
const BACKOFF_MS_MIN = 2;
const BACKOFF_MS_MAX = 30;
/** Where a socket's path is longer, the kernel refuses it; by way of the open directory it is always short. */
const SOCKET_PATH_MAX = 100;

type PeerState = 'dead' | 'trying' | 'held';

/** The directory under a short name: `/proc/self/fd/N` where there is one. */
function shortPath(directory: string, handle: FileHandle): string {
  return process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : directory;
}

/** Asks the process behind a lock file. One that lives but does not answer (stopped, busy) counts as holding. */
function askPeer(path: string): Promise<PeerState> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let answer = '';
    const finish = (state: PeerState): void => {
      socket.destroy();
      resolve(state);
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => finish('held'));
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('end', () => finish(answer === 'trying' ? 'trying' : 'held'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      finish(error.code === 'ECONNREFUSED' || error.code === 'ENOENT' ? 'dead' : 'held');
    });
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

interface Peer {
  readonly name: string;
  readonly pid: number;
  readonly state: PeerState;
}

/**
 * A directory for one process at a time. The lock is a listening Unix socket in the directory: the kernel closes it with
 * its process, however that ends, so it cannot go stale; process ids are only for messages, so their reuse does no harm;
 * a socket in the file system is also seen from other containers on the same machine.
 *
 * Who wants it first publishes a socket of its own, then looks at all others: of two, the later to publish sees the
 * earlier, so both cannot hold. When each sees the other, the smaller name stays and the rest try again.
 */
export class DirectoryLock {
  private held = false;
  private released = false;

  private constructor(
    private readonly handle: FileHandle,
    private readonly server: Server,
    private readonly base: string,
    private readonly name: string,
    private readonly askers: Set<Socket>,
  ) {}

  /** Fails with DirectoryLockedError when a live process has it, or with the platform's error where sockets cannot be made. */
  static async acquire(directory: string, options: LockOptions = { waitMs: 0 }): Promise<DirectoryLock> {
    const start = performance.now();
    for (;;) {
      const lock = await DirectoryLock.publish(directory);
      const rival = await lock.settle();
      if (rival === undefined) return lock;
      await lock.release();
      const patience = rival.state === 'held' ? options.waitMs : Math.max(options.waitMs, CONTENTION_MS);
      if (performance.now() - start >= patience) throw new DirectoryLockedError(directory, rival.pid);
      await delay(randomInt(BACKOFF_MS_MIN, BACKOFF_MS_MAX));
    }
  }

  /** Lets go. Harmless when done twice. */
  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const socket of this.askers) socket.destroy();
    await closed;
    await this.handle.close();
  }

  private static async publish(directory: string): Promise<DirectoryLock> {
    const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const base = shortPath(directory, handle);
      const name = `lock.${process.pid}.${randomBytes(8).toString('hex')}`;
      const path = `${base}/${name}`;
      if (path.length > SOCKET_PATH_MAX) throw new Error(`the path ${directory} is too long for a lock; use a shorter one`);
      const askers = new Set<Socket>();
      const server = createServer((socket) => {
        askers.add(socket);
        socket.on('close', () => askers.delete(socket));
        socket.on('error', () => undefined);
        socket.end(lock.held ? 'held' : 'trying');
      });
      const lock = new DirectoryLock(handle, server, base, name, askers);
      await listen(server, path);
      server.unref();
      return lock;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Undefined: it is ours. Otherwise who is in the way. */
  private async settle(): Promise<Peer | undefined> {
    const start = performance.now();
    for (;;) {
      const peers = await this.peers();
      const alive = peers.filter(({ state }) => state !== 'dead');
      const rival = alive.find(({ state, name }) => state === 'held' || name < this.name);
      if (rival !== undefined) return rival;
      if (alive.length === 0) return (await this.confirm(peers)) ? undefined : { name: '', pid: 0, state: 'trying' };
      if (performance.now() - start > CONTENTION_MS) return alive[0];
      await delay(BACKOFF_MS_MIN);
    }
  }

  private async peers(): Promise<readonly Peer[]> {
    const names = (await readdir(this.base)).filter((name) => NAME.test(name) && name !== this.name);
    return Promise.all(
      names.map(async (name) => ({ name, pid: Number(NAME.exec(name)?.[1]), state: await askPeer(`${this.base}/${name}`) })),
    );
  }

  /**
   * Takes the lock unless our own socket was cleared away meanwhile: between its creation and its first listening it looks
   * dead to others.
   */
  private async confirm(dead: readonly Peer[]): Promise<boolean> {
    try {
      await stat(`${this.base}/${this.name}`);
    } catch {
      return false;
    }
    this.held = true;
    await Promise.all(dead.map(({ name }) => unlink(`${this.base}/${name}`).catch(() => undefined)));
    return true;
  }
}
