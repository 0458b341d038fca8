import { execFile } from 'node:child_process';
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** FS_IOC_GOINGDOWN: from now on nothing is written to the device, what the page cache holds included (FSOP_GOING_FLAGS_NOLOGFLUSH). */
const GOING_DOWN = 0x8004587d;
const WITHOUT_FLUSHING = 2;
const FILLER_BYTES_MAX = 256 * 1024 * 1024;
const BLOCK_BYTES = 4096;

/** Why no disks can be made here; undefined: they can. */
export async function whyNoDisks(): Promise<string | undefined> {
  const needs = [
    ['losetup', '--find'],
    ['mkfs.ext4', '-V'],
    ['perl', '-v'],
    ['fallocate', '--version'],
  ] as const;
  for (const [command, ...args] of needs) {
    const problem = await run(command, args).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (problem !== undefined) return `no disks that can fail: ${problem.trim()}`;
  }
  return undefined;
}

/**
 * A disk of a node's own: an ext4 file system in a file. It can lose power, so that only what was synced is there afterwards,
 * with all that a real file system makes of it; fail; be full. Needs root and loop devices.
 */
export class Disk {
  private isMounted = false;
  /** Files that take what was free. */
  private fillers = 0;

  private constructor(
    readonly mountPoint: string,
    private readonly image: string,
  ) {}

  static async create(directory: string, bytes: number): Promise<Disk> {
    const disk = new Disk(path.join(directory, 'disk'), path.join(directory, 'disk.img'));
    await mkdir(disk.mountPoint, { recursive: true });
    await writeFile(disk.image, '');
    await truncate(disk.image, bytes);
    await run('mkfs.ext4', ['-q', '-F', disk.image]);
    await disk.mount();
    return disk;
  }

  async mount(): Promise<void> {
    await run('mount', ['-o', 'loop', this.image, this.mountPoint]);
    this.isMounted = true;
  }

  /** Every write and sync fails from now on, and what was not synced is gone. */
  async fail(): Promise<void> {
    const script = `open(my $d, '<', $ARGV[0]) or die $!; my $f = pack('L', ${WITHOUT_FLUSHING}); ioctl($d, ${GOING_DOWN}, $f) or die $!;`;
    await run('perl', ['-e', script, this.mountPoint]);
  }

  /** The same file system again, as it is found after a failure or a power loss: its own journal is replayed. */
  async replace(): Promise<void> {
    await this.unmount();
    await this.mount();
  }

  /** Leaves not one block free. */
  async fill(): Promise<void> {
    for (let bytes = FILLER_BYTES_MAX; bytes >= BLOCK_BYTES; bytes = Math.floor(bytes / 2)) {
      while (await this.take(bytes)) this.fillers += 1;
    }
  }

  async free(): Promise<void> {
    for (; this.fillers >= 0; this.fillers -= 1) await rm(this.filler, { force: true });
    this.fillers = 0;
  }

  async dispose(): Promise<void> {
    await this.unmount();
    await rm(this.image, { force: true });
  }

  private get filler(): string {
    return path.join(this.mountPoint, `filler-${this.fillers}`);
  }

  /** False where there is not so much space. */
  private async take(bytes: number): Promise<boolean> {
    const { filler } = this;
    try {
      await run('fallocate', ['--length', String(bytes), filler]);
      return true;
    } catch {
      await rm(filler, { force: true });
      return false;
    }
  }

  private async unmount(): Promise<void> {
    if (this.isMounted) await run('umount', [this.mountPoint]);
    this.isMounted = false;
  }
}
