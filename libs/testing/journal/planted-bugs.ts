import type { Clock } from '@streamline/runtime/ports/clock';
import type { Disk, DurableFile } from '@streamline/runtime/ports/disk';
import type { Random } from '@streamline/runtime/ports/random';

/**
 * Bugs that a journal could have, planted in what it is given rather than in its own code: each turns a port into one
 * that does what the buggy code would have done.
 */

/** No bug: that the stories go well with it shows that planting alone does no harm. */
export function nothing(disk: Disk): Disk {
  return withDurable(disk, (file) => file);
}

/** Every file has the same salt (against J-3). */
export function constantSalt(random: Random): Random {
  return { next: () => random.next(), bytes: (length) => Buffer.alloc(length, 7) };
}

/** Salts are taken from two that alternate, so that a file gets one that it had (against J-3). */
export function reusedSalts(random: Random): Random {
  let uses = 0;
  return { next: () => random.next(), bytes: (length) => Buffer.alloc(length, (uses += 1) % 2) };
}

/** The header is written, but not durable, when the first group is (against J-3). */
export function lazyHeader(disk: Disk): Disk {
  return withDurable(disk, (file, path) => ({
    ...file,
    write: (position, chunks) => (position === 0 ? writePlainly(disk, path, position, chunks) : file.write(position, chunks)),
  }));
}

/** Writes end when the page cache has them: the file is not opened O_DSYNC (against J-2). */
export function pageCacheWrites(disk: Disk): Disk {
  return withDurable(disk, (file, path) => ({
    ...file,
    write: (position, chunks) => writePlainly(disk, path, position, chunks),
  }));
}

/** Groups are acknowledged when their write begins. */
export function earlyAcknowledgement(disk: Disk): Disk {
  return withDurable(disk, (file) => {
    let last = Promise.resolve();
    return {
      ...file,
      write: (position, chunks) => {
        const copies = chunks.map((chunk) => Buffer.from(chunk));
        last = last.then(() => file.write(position, copies));
        last.catch(() => undefined);
        return Promise.resolve();
      },
    };
  });
}

/** A failed write is tried again in the page cache, and then taken for done (against J-9). */
export function ignoredWriteErrors(disk: Disk): Disk {
  return withDurable(disk, (file) => ({
    ...file,
    write: (position, chunks) => file.write(position, chunks).catch(() => undefined),
  }));
}

/** A group begins in the block in which the one before it ended, so that the block is written again (against J-4). */
export function sharedBlocks(disk: Disk): Disk {
  const blockBytes = 4096;
  return withDurable(disk, (file) => {
    let end = 0;
    let block = Buffer.alloc(0);
    return {
      ...file,
      write: (position, chunks) => {
        const bytes = Buffer.concat(chunks);
        const again = position === end && position > blockBytes ? block : Buffer.alloc(0);
        end = position + bytes.length;
        block = bytes.subarray(bytes.length - blockBytes);
        return file.write(position - again.length, [again, bytes]);
      },
    };
  });
}

/** Names of new files are not made durable (against J-2). */
export function noDirectorySync(disk: Disk): Disk {
  return wrap(disk, { syncDirectory: () => Promise.resolve() });
}

/** Bytes of new files are not made durable before they get their name (against J-2). */
export function noFileSync(disk: Disk): Disk {
  return wrap(disk, {
    open: async (path, mode) => {
      const file = await disk.open(path, mode);
      file.datasync = () => Promise.resolve();
      return file;
    },
  });
}

/** No timer ever fires: nothing is sealed (against J-5). */
export function noSeal(clock: Clock): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    schedule: () => () => undefined,
    nextTurn: (task) => clock.nextTurn(task),
  };
}

function wrap(disk: Disk, changed: Partial<Disk>): Disk {
  return {
    open: (path, mode) => disk.open(path, mode),
    openDurable: (path) => disk.openDurable(path),
    openWriter: () => disk.openWriter(),
    list: (path) => disk.list(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    rename: (from, to) => disk.rename(from, to),
    unlink: (path) => disk.unlink(path),
    removeTree: (path) => disk.removeTree(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    exists: (path) => disk.exists(path),
    space: (path) => disk.space(path),
    ...changed,
  };
}

function withDurable(disk: Disk, change: (file: DurableFile, path: string) => DurableFile): Disk {
  return wrap(disk, {
    openDurable: async (path) => {
      const file = await disk.openDurable(path);
      const plain = {
        path,
        write: (position: number, chunks: readonly Uint8Array[]) => file.write(position, chunks),
        close: () => file.close(),
      };
      return change(plain, path);
    },
  });
}

async function writePlainly(disk: Disk, path: string, position: number, chunks: readonly Uint8Array[]): Promise<void> {
  const file = await disk.open(path, 'write');
  await file.write(position, chunks);
  await file.close();
}
