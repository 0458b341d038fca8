import { execFileSync } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DurableThread } from './durable-thread';
import { NodeDisk } from './node-disk';
import { after } from './node-file';

let directory: string;

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'streamline-disk-'));
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true, force: true });
});

function at(name: string): string {
  return path.join(directory, name);
}

function preallocate(name: string, bytes: number): string {
  fs.writeFileSync(at(name), Buffer.alloc(bytes));
  return at(name);
}

describe('NodeDisk', () => {
  it("fails with the platform's codes", async () => {
    const disk = new NodeDisk();
    fs.writeFileSync(at('there'), 'x');
    await expect(disk.open(at('none'), 'read')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.open(at('none'), 'write')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.open(at('there'), 'create')).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(disk.openDurable(at('none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.list(at('none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.unlink(at('none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(disk.makeDirectory(directory)).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(disk.removeTree(at('none'))).resolves.toBeUndefined();
    await expect(disk.exists(at('none'))).resolves.toBe(false);
    await expect(disk.exists(at('there/below'))).resolves.toBe(false);
    await expect(disk.exists(at('there'))).resolves.toBe(true);
  });

  it('writes many chunks where they belong, reads them back, and reads less at the end of the file', async () => {
    const disk = new NodeDisk();
    const file = await disk.open(at('file'), 'create');
    const chunks = Array.from({ length: 3000 }, (_, index) => Buffer.from(`${index},`));
    const all = Buffer.concat(chunks);
    await file.write(10, chunks);
    await file.datasync();
    expect(await file.size()).toBe(10 + all.length);
    const into = Buffer.alloc(all.length + 100);
    expect(await file.read(10, into)).toBe(all.length);
    expect(into.subarray(0, all.length).equals(all)).toBe(true);
    expect(file.readSync(all.length + 5, into)).toBe(5);
    expect(await file.read(all.length + 10, into)).toBe(0);
    await file.truncate(10);
    expect(await file.size()).toBe(10);
    await file.close();
  });

  it('goes on after a short write with exactly what is left', () => {
    const chunks = ['ab', '', 'cde', 'f'].map((text) => Buffer.from(text));
    for (let written = 0; written <= 6; written += 1) {
      expect(Buffer.concat(after(chunks, written)).toString()).toBe('abcdef'.slice(written));
    }
  });

  it('renames, lists, syncs directories and tells the space', async () => {
    const disk = new NodeDisk();
    await disk.makeDirectory(at('d'));
    fs.writeFileSync(at('d/a'), 'x');
    await disk.rename(at('d/a'), at('d/b'));
    await disk.syncDirectory(at('d'));
    expect(await disk.list(at('d'))).toEqual(['b']);
    const { freeBytes, totalBytes } = await disk.space(directory);
    expect(freeBytes).toBeGreaterThan(0);
    expect(totalBytes).toBeGreaterThan(freeBytes);
    await disk.removeTree(at('d'));
    expect(await disk.exists(at('d'))).toBe(false);
  });
});

describe('NodeDisk durable files', () => {
  it('are opened O_DSYNC (J-2)', async () => {
    if (process.platform !== 'linux') return;
    const disk = new NodeDisk();
    const file = await disk.openDurable(preallocate('journal', 8192));
    const flags = fs
      .readdirSync('/proc/self/fd')
      .filter((fd) => fs.existsSync(`/proc/self/fd/${fd}`) && fs.readlinkSync(`/proc/self/fd/${fd}`) === file.path)
      .map((fd) => parseInt(/flags:\s*(\d+)/.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0', 8));
    expect(flags).toHaveLength(1);
    for (const value of flags) expect(value & fs.constants.O_DSYNC).toBe(fs.constants.O_DSYNC);
    await file.close();
  });

  it('write chunks of any size one after the other', async () => {
    const disk = new NodeDisk();
    const bytes = 9 * 1024 * 1024 + 13;
    const file = await disk.openDurable(preallocate('journal', bytes + 4096));
    const content = Buffer.alloc(bytes);
    for (let i = 0; i < bytes; i += 1) content[i] = (i * 31) >>> 5;
    await file.write(4096, [
      content.subarray(0, 5),
      content.subarray(5, 5_000_000),
      Buffer.alloc(0),
      content.subarray(5_000_000),
    ]);
    expect(fs.readFileSync(file.path).subarray(4096).equals(content)).toBe(true);
    await file.close();
  });

  it('refuse a second write while one is in flight, and any after close', async () => {
    const disk = new NodeDisk();
    const file = await disk.openDurable(preallocate('journal', 8192));
    const first = file.write(0, [Buffer.from('a')]);
    await expect(file.write(1, [Buffer.from('b')])).rejects.toThrow(/in flight/);
    await first;
    await file.close();
    await expect(file.write(0, [Buffer.from('c')])).rejects.toThrow(/closed/);
  });

  it('share a thread in one directory: writes of several files at once are all done', async () => {
    const disk = new NodeDisk();
    const files = await Promise.all(['a', 'b', 'c'].map((name) => disk.openDurable(preallocate(name, 4096))));
    await Promise.all(files.map((file) => file.write(7, [Buffer.from(file.path)])));
    for (const file of files) expect(fs.readFileSync(file.path).toString('utf8', 7, 7 + file.path.length)).toBe(file.path);
    await Promise.all(files.map((file) => file.close()));
  });

  it("fail with the platform's code when the thread's write fails", async () => {
    if (!fs.existsSync('/dev/full')) return;
    const disk = new NodeDisk();
    const file = await disk.openDurable('/dev/full');
    await expect(file.write(0, [Buffer.from('x')])).rejects.toMatchObject({ code: 'ENOSPC', syscall: 'write' });
    await file.close();
  });

  it('fail when their thread has died, now and later', async () => {
    const thread = new DurableThread('test');
    const worker: unknown = Reflect.get(thread, 'worker');
    if (!(worker instanceof Worker)) throw new Error('the thread has no worker');
    const fd = fs.openSync(preallocate('journal', 4096), 'r+');
    await thread.write(fd, 0, [Buffer.from('x')], true);
    await worker.terminate();
    await expect(thread.write(fd, 0, [Buffer.from('y')], true)).rejects.toThrow(/the durability thread ended/);
    fs.closeSync(fd);
  });

  it('are not held up by a busy thread pool (J-8)', async () => {
    const disk = new NodeDisk();
    const file = await disk.openDurable(preallocate('journal', 8192));
    let isBusy = true;
    let derived = 0;
    const load = (): void => {
      pbkdf2('password', 'salt', 20_000, 64, 'sha512', () => {
        derived += 1;
        if (isBusy) load();
      });
    };
    for (let i = 0; i < 12; i += 1) load();
    const inPool: number[] = [];
    const durable: number[] = [];
    for (let i = 0; i < 15; i += 1) {
      const before = performance.now();
      await file.write(0, [Buffer.alloc(1024, i)]);
      const between = performance.now();
      await fs.promises.stat(file.path);
      durable.push(between - before);
      inPool.push(performance.now() - between);
    }
    isBusy = false;
    await file.close();
    expect(derived).toBeGreaterThan(0);
    expect(median(durable)).toBeLessThan(median(inPool) / 2);
  });

  it('work from a program that is bundled into one file, and let it end after close', async () => {
    const outfile = at('bundle.mjs');
    const source = `
      import { NodeDisk } from './libs/runtime/disk/node-disk';
      const file = await new NodeDisk().openDurable(process.argv[2]);
      await file.write(0, [Buffer.from('from the bundle')]);
      await file.close();
      process.stdout.write('written');`;
    await build({
      stdin: { contents: source, resolveDir: process.cwd(), loader: 'ts' },
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
      logLevel: 'silent',
    });
    const target = preallocate('journal', 4096);
    expect(execFileSync(process.execPath, [outfile, target], { timeout: 10_000 }).toString()).toBe('written');
    expect(fs.readFileSync(target).toString('utf8', 0, 15)).toBe('from the bundle');
  });
});

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}
