import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ClusterId, DirectoryId, NodeId } from '@streamline/core/types/ids';
import { ExitCode } from '../config/exit-codes';
import { type RoleName, ROLES } from '../config/roles';
import { DirectoryLock, DirectoryLockedError } from './directory-lock';
import { syncDirectory } from './durable-file';
import { FORMAT_VERSION, newUuidText, type NodeFile, readNodeFile, writeNodeFile } from './node-file';
import { StartupError } from './startup-error';

export interface DataDirectoryOptions {
  /** Absolute. */
  readonly path: string;
  readonly nodeId: NodeId;
  /** The roles of this process; their directories are locked for it. */
  readonly roles: readonly RoleName[];
}

/** Processes of one node that start together format and bind one after the other, within this. */
const META_LOCK_WAIT_MS = 10_000;

/**
 * The data directory of a node (guide: "Do not change node_id values between restarts"; R-6): belongs to one node id and,
 * from the first time on, to one cluster id; has a directory id made when it was formatted and a directory for each role,
 * locked while a process plays that role. The processes of a split node share it. A start never resets anything in it.
 */
export class DataDirectory {
  private constructor(
    readonly path: string,
    private file: NodeFile,
    /** True when this very call formatted it. */
    readonly isNew: boolean,
    private readonly locks: readonly DirectoryLock[],
  ) {}

  get nodeId(): NodeId {
    return this.file.nodeId;
  }

  get directoryId(): DirectoryId {
    return this.file.directoryId;
  }

  /** Undefined until `bindCluster` was called once, in this life or an earlier one. */
  get clusterId(): ClusterId | undefined {
    return this.file.clusterId ?? undefined;
  }

  /** Opens, and formats where there is nothing yet. Fails with a StartupError that says what is wrong and what to do. */
  static async open({ path, nodeId, roles }: DataDirectoryOptions): Promise<DataDirectory> {
    return explained(path, async () => {
      await makeDirectory(path);
      const existing = await readNodeFile(path);
      const { file, isNew } = existing === undefined ? await format(path, nodeId) : { file: existing, isNew: false };
      checkNodeId(path, file, nodeId);
      const locks = await lockRoles(path, roles);
      return new DataDirectory(path, file, isNew, locks);
    });
  }

  rolePath(role: RoleName): string {
    return join(this.path, role);
  }

  /** Binds the directory to a cluster for good; durable when resolved. Fails where it belongs to another one. */
  async bindCluster(clusterId: ClusterId): Promise<void> {
    if (this.file.clusterId === clusterId) return;
    await explained(this.path, async () => {
      const lock = await DirectoryLock.acquire(this.path, { waitMs: META_LOCK_WAIT_MS });
      try {
        const current = (await readNodeFile(this.path)) ?? this.file;
        if (current.clusterId !== null && current.clusterId !== clusterId)
          throw wrongCluster(this.path, current.clusterId, clusterId);
        const bound = { ...current, clusterId };
        if (current.clusterId === null) await writeNodeFile(this.path, bound);
        this.file = bound;
      } finally {
        await lock.release();
      }
    });
  }

  /** Lets go of the locks; nothing may be written after it. */
  async close(): Promise<void> {
    await Promise.all(this.locks.map((lock) => lock.release()));
  }
}

function wrongCluster(path: string, own: ClusterId, other: ClusterId): StartupError {
  return new StartupError(
    ExitCode.WRONG_DIRECTORY,
    `${path} belongs to cluster ${own}, but this node is told of cluster ${other}`,
    'Point this node to its own cluster with --controller-addrs, or give it an empty --data-dir to join the other one.',
  );
}

function checkNodeId(path: string, file: NodeFile, nodeId: NodeId): void {
  if (file.nodeId === nodeId) return;
  throw new StartupError(
    ExitCode.WRONG_DIRECTORY,
    `${path} belongs to node ${file.nodeId}, but this node was started as ${nodeId}`,
    `Do not change node_id values between restarts: start with --cluster-node-id ${file.nodeId}, or give node ${nodeId} a --data-dir of its own.`,
  );
}

/** The last one by a call of its own: a recursive one never ends where a file system answers ENOENT, as /proc does. */
async function makeDirectory(path: string): Promise<void> {
  const mode = 0o750;
  const firstMade = await mkdir(dirname(path), { recursive: true, mode });
  try {
    await mkdir(path, { mode });
    await syncDirectory(dirname(firstMade ?? path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}

async function isEmpty(path: string): Promise<boolean> {
  try {
    return (await readdir(path)).every((name) => name.startsWith('lock.'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return true;
    throw error;
  }
}

/** Data without the file that says whose it is means that the file was lost: to format would be to throw the data away. */
async function refuseOrphanedData(path: string): Promise<void> {
  for (const role of ROLES) {
    if (await isEmpty(join(path, role))) continue;
    throw new StartupError(
      ExitCode.DIRECTORY_UNREADABLE,
      `${path} holds data in ${role}/, but node.json, which says whose data it is, is missing`,
      'Restore node.json from a copy of the directory. To begin anew, move the whole directory away.',
    );
  }
}

async function format(path: string, nodeId: NodeId): Promise<{ readonly file: NodeFile; readonly isNew: boolean }> {
  const lock = await DirectoryLock.acquire(path, { waitMs: META_LOCK_WAIT_MS });
  try {
    const existing = await readNodeFile(path);
    if (existing !== undefined) return { file: existing, isNew: false };
    await refuseOrphanedData(path);
    const file = { formatVersion: FORMAT_VERSION, nodeId, directoryId: newUuidText() as DirectoryId, clusterId: null };
    await writeNodeFile(path, file);
    return { file, isNew: true };
  } finally {
    await lock.release();
  }
}

async function lockRoles(path: string, roles: readonly RoleName[]): Promise<readonly DirectoryLock[]> {
  const attempts = await Promise.allSettled(
    roles.map(async (role) => {
      await makeDirectory(join(path, role));
      return DirectoryLock.acquire(join(path, role));
    }),
  );
  const locks = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
  const failed = attempts.find((attempt) => attempt.status === 'rejected');
  if (failed === undefined) return locks;
  await Promise.all(locks.map((lock) => lock.release()));
  throw failed.reason;
}

function explain(path: string, error: unknown): unknown {
  if (error instanceof DirectoryLockedError) {
    return new StartupError(
      ExitCode.DIRECTORY_LOCKED,
      `${error.directory} is in use by process ${error.holderPid}`,
      `Stop that process, or give this node a directory of its own with --data-dir.`,
      { cause: error },
    );
  }
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const refuse = (reason: string, remedy: string, exitCode: ExitCode = ExitCode.DIRECTORY_UNREADABLE): StartupError =>
    new StartupError(exitCode, `the data directory ${path} ${reason}`, remedy, { cause: error });
  switch (code) {
    case 'ENOTDIR':
    case 'EEXIST':
      return refuse('is not a directory', 'Name a directory with --data-dir.');
    case 'ENOENT':
      return refuse(
        'is not there and cannot be made (a link to what is not mounted?)',
        'Mount what is missing, or name another one with --data-dir.',
      );
    case 'ENAMETOOLONG':
    case 'ELOOP':
      return refuse(`has a path that the system does not take: ${code}`, 'Name a directory with --data-dir.');
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return refuse('may not be written by this user', 'Give this user the directory, or name another one with --data-dir.');
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
    case 'ENOSYS':
      return refuse(
        'is on a file system without Unix sockets, so it cannot be locked',
        'Use a local file system such as ext4 or xfs.',
      );
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EIO':
      return refuse(`cannot be written: ${code}`, 'Check the disk: free space, then the kernel log.', ExitCode.DISK_FAILED);
    default:
      return error;
  }
}

async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explain(path, error);
  }
}
