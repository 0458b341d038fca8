import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { until } from '@streamline/testing/time/until';
import type { DiskFile, FileWriter } from '../ports/disk';
import { NodeDisk } from './node-disk';
import { after } from './node-file';
import { WriteThread } from './write-thread';

let directory: string;
const opened: DiskFile[] = [];

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'streamline-disk-'));
});

afterEach(async () => {
  for (const file of opened.splice(0)) await file.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

function at(name: string): string {
  return path.join(directory, name);
}

/** A file that is closed after the test. */
async function open(disk: NodeDisk, filePath: string, mode: 'write' | 'create'): Promise<DiskFile> {
  const file = await disk.open(filePath, mode);
  opened.push(file);
  return file;
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

describe('NodeDisk writers', () => {
  it('write groups to many files, from memory of any kind, and name what failed', async () => {
    const disk = new NodeDisk();
    const writer = disk.openWriter();
    const shared = Buffer.from(new SharedArrayBuffer(100)).fill('shared');
    const one = await open(disk, at('one'), 'create');
    const two = await open(disk, at('two'), 'create');
    const full = fs.existsSync('/dev/full') ? await open(disk, '/dev/full', 'write') : one;
    const results = await writer.write(
      [
        {
          file: one,
          position: 3,
          chunks: [Buffer.from('own '), shared.subarray(6, 12), shared.subarray(12, 18), Buffer.alloc(0)],
        },
        { file: full, position: 0, chunks: [Buffer.from('x')] },
        { file: two, position: 0, chunks: [shared.subarray(0, 6)] },
        { file: await open(disk, at('three'), 'create'), position: 0, chunks: [] },
      ],
      false,
    );
    expect(fs.readFileSync(at('one')).toString('utf8', 3)).toBe('own sharedshared');
    expect(fs.readFileSync(at('two')).toString()).toBe('shared');
    if (full !== one) expect(results).toMatchObject([undefined, { code: 'ENOSPC', syscall: 'write' }, undefined, undefined]);
    await writer.close();
    await expect(writer.write([], false)).rejects.toThrow(/closed/);
  });

  it('have the turn end after what is ready in it', async () => {
    const writer = new NodeDisk().openWriter();
    const order: string[] = [];
    setTimeout(() => {
      void writer.endOfTurn().then(() => order.push('end of turn'));
      process.nextTick(() => order.push('tick'));
      void Promise.resolve().then(() => order.push('microtask'));
    }, 1);
    await until(() => order.includes('end of turn'));
    expect(order).toEqual(['tick', 'microtask', 'end of turn']);
    await writer.close();
  });

  it('fail the group that their thread dies with, and go on with another thread', async () => {
    const disk = new NodeDisk();
    const writer = disk.openWriter();
    const file = await open(disk, at('file'), 'create');
    const group = [{ file, position: 0, chunks: [Buffer.from('a')] }];
    await writer.write(group, false);
    const thread: unknown = Reflect.get(writer, 'thread');
    const worker: unknown = thread instanceof WriteThread ? Reflect.get(thread, 'worker') : undefined;
    if (!(worker instanceof Worker)) throw new Error('the writer has no thread');
    await worker.terminate();
    await expect(writer.write(group, false)).rejects.toThrow(/the segments thread ended/);
    expect(await writer.write(group, false)).toEqual([undefined]);
    await writer.close();
  });

  it('take one group at a time, and files of their disk', async () => {
    const disk = new NodeDisk();
    const writer = disk.openWriter();
    const file = await open(disk, at('file'), 'create');
    const first = writer.write([{ file, position: 0, chunks: [Buffer.from('a')] }], false);
    await expect(writer.write([{ file, position: 1, chunks: [Buffer.from('b')] }], false)).rejects.toThrow(/in flight/);
    expect(await first).toEqual([undefined]);
    await expect(writer.write([{ file: { ...file }, position: 0, chunks: [] }], false)).rejects.toThrow(/same disk/);
    await writer.close();
  });

  it('keep a file open until what they write to it is written', async () => {
    const disk = new NodeDisk();
    const writer = disk.openWriter();
    const file = await disk.open(at('file'), 'create');
    const chunk = Buffer.from(new SharedArrayBuffer(4 << 20)).fill(7);
    const order: string[] = [];
    const written = writer.write([{ file, position: 0, chunks: [chunk] }], false).then(() => order.push('written'));
    const closed = file.close().then(() => order.push('closed'));
    await Promise.all([written, closed]);
    expect(order).toEqual(['written', 'closed']);
    expect(fs.statSync(at('file')).size).toBe(4 << 20);
    await writer.close();
  });

  it('write what takes many requests: more pieces and more bytes than fit into one', async () => {
    const disk = new NodeDisk();
    const writer = disk.openWriter();
    const memory = Buffer.from(new SharedArrayBuffer(100_000));
    for (let i = 0; i < memory.length; i += 1) memory[i] = (i * 31) >>> 3;
    const pieces = Array.from({ length: 10_000 }, (_, i) => memory.subarray(i * 10, i * 10 + 7));
    const own = Buffer.alloc(9 * 1024 * 1024 + 13, 'own');
    const files = await Promise.all(['pieces', 'own', 'both'].map((name) => open(disk, at(name), 'create')));
    const contents = [pieces, [own], [own.subarray(5), ...pieces]];
    const results = await writer.write(
      files.map((file, index) => ({ file, position: 10, chunks: contents[index] ?? [] })),
      false,
    );
    expect(results).toEqual([undefined, undefined, undefined]);
    for (const [index, file] of files.entries())
      expect(
        fs
          .readFileSync(file.path)
          .subarray(10)
          .equals(Buffer.concat(contents[index] ?? [])),
      ).toBe(true);
    await writer.close();
  });

  it('let go of memory when its owner does', async () => {
    const writer = new NodeDisk().openWriter();
    const file = await open(new NodeDisk(), at('file'), 'create');
    const bytes = 64 << 20;
    collectGarbage();
    await writeOnce(writer, file, bytes);
    const heldBytes = process.memoryUsage().arrayBuffers;
    await vi.waitFor(
      () => {
        collectGarbage();
        expect(process.memoryUsage().arrayBuffers).toBeLessThan(heldBytes - bytes / 2);
      },
      { timeout: 60_000, interval: 20 },
    );
    await writer.close();
  });

  it('fail a write of many requests as a whole where one of them fails', async () => {
    if (!fs.existsSync('/dev/full')) return;
    const disk = new NodeDisk();
    const writer = disk.openWriter();
    const full = await open(disk, '/dev/full', 'write');
    const file = await open(disk, at('file'), 'create');
    const own = Buffer.alloc(5 * 1024 * 1024, 'own');
    const results = await writer.write(
      [
        { file: full, position: 0, chunks: [own] },
        { file, position: 0, chunks: [own] },
      ],
      false,
    );
    expect(results).toMatchObject([{ code: 'ENOSPC' }, undefined]);
    expect(fs.readFileSync(at('file')).equals(own)).toBe(true);
    await writer.close();
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

  it('write from shared memory as it is when the write is asked for', async () => {
    const disk = new NodeDisk();
    const file = await disk.openDurable(preallocate('journal', 8192));
    const memory = Buffer.from(new SharedArrayBuffer(64));
    for (const text of ['first', 'other']) {
      memory.write(text, 10);
      await file.write(100, [Buffer.from('<'), memory.subarray(10, 15), Buffer.from('>')]);
      expect(fs.readFileSync(file.path).toString('utf8', 100, 107)).toBe(`<${text}>`);
    }
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
    const thread = new WriteThread('test');
    const worker: unknown = Reflect.get(thread, 'worker');
    if (!(worker instanceof Worker)) throw new Error('the thread has no worker');
    const fd = fs.openSync(preallocate('journal', 4096), 'r+');
    const write = { descriptor: fd, position: 0, chunks: [Buffer.from('x')], needsSync: true };
    expect(await thread.write([write])).toEqual([undefined]);
    await worker.terminate();
    await expect(thread.write([write])).rejects.toThrow(/the test thread ended/);
    fs.closeSync(fd);
  });

  it('are not held up by a busy thread pool (J-8)', async () => {
    const file = await new NodeDisk().openDurable(preallocate('journal', 8192));
    // To open a FIFO takes until somebody opens its other end, and a thread of the pool as long.
    const threads = Number(process.env.UV_THREADPOOL_SIZE ?? 4);
    const names = Array.from({ length: threads }, (_, n) => at(`fifo-${n}`));
    execFileSync('mkfifo', names);
    const opening = Promise.all(names.map((name) => fs.promises.open(name, 'r')));
    let isPoolFree = false;
    const inPool = fs.promises.stat(file.path).then(() => (isPoolFree = true));
    for (let i = 0; i < 5; i += 1) await file.write(0, [Buffer.alloc(1024, i)]);
    expect(isPoolFree).toBe(false);
    const ends = names.map((name) => fs.openSync(name, 'r+'));
    for (const end of await opening) await end.close();
    for (const end of ends) fs.closeSync(end);
    expect(await inPool).toBe(true);
    await file.close();
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

/** Shared memory of so many bytes, a mebibyte a piece, all of it used. */
function memories(bytes: number): Buffer[] {
  return Array.from({ length: bytes >> 20 }, () => Buffer.from(new SharedArrayBuffer(1 << 20)).fill(1));
}

/** A function of its own, so that nothing on the way refers to the memory afterwards. */
async function writeOnce(writer: FileWriter, file: DiskFile, bytes: number): Promise<void> {
  expect(await writer.write([{ file, position: 0, chunks: memories(bytes) }], false)).toEqual([undefined]);
}

function collectGarbage(): void {
  v8.setFlagsFromString('--expose-gc');
  const collect: unknown = vm.runInNewContext('gc');
  if (typeof collect === 'function') collect();
}
