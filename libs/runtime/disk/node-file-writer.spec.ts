import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DiskFile, FileWrite } from '../ports/disk';
import { BACK_OFF_MS_MIN, HELD_MS } from './inline-gate';
import { NodeDisk } from './node-disk';
import { INLINE_BYTES_MAX, NodeFileWriter } from './node-file-writer';

let directory: string;
let nowMs: number;
let writer: NodeFileWriter;
let file: DiskFile;
const opened: DiskFile[] = [];
const disk = new NodeDisk();

beforeEach(async () => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'streamline-writer-'));
  nowMs = 0;
  writer = new NodeFileWriter(() => nowMs);
  file = await open('file');
});

afterEach(async () => {
  vi.restoreAllMocks();
  await writer.close();
  for (const each of opened.splice(0)) await each.close();
  fs.rmSync(directory, { recursive: true, force: true });
});

async function open(name: string): Promise<DiskFile> {
  const made = await disk.open(path.join(directory, name), 'create');
  opened.push(made);
  return made;
}

/** A write of some text; its memory is shared with threads, as the log's is. */
function text(content: string, position = 0): FileWrite {
  const shared = Buffer.from(new SharedArrayBuffer(content.length));
  shared.write(content);
  return { file, position, chunks: [shared] };
}

function contentOf({ path: filePath }: DiskFile): string {
  return fs.readFileSync(filePath).toString();
}

/** Whether a group is written before the call returns. */
async function isInline(group: readonly FileWrite[], isUrgent = true): Promise<boolean> {
  const writes = vi.spyOn(fs, 'writevSync');
  try {
    const written = writer.write(group, isUrgent);
    const isWritten = writes.mock.calls.length > 0;
    expect(await written).toEqual(group.map(() => undefined));
    return isWritten;
  } finally {
    writes.mockRestore();
  }
}

/** The clock moves by so much while a group is written. */
async function writeSlowly(tookMs: number): Promise<void> {
  const { writevSync } = fs;
  const slow = vi.spyOn(fs, 'writevSync').mockImplementation((...args) => {
    nowMs += tookMs;
    return writevSync(...args);
  });
  expect(await writer.write([text('slow')], true)).toEqual([undefined]);
  expect(slow).toHaveBeenCalledTimes(1);
  slow.mockRestore();
}

describe('the writer of groups', () => {
  it('writes a small group that somebody waits for before the call returns', async () => {
    expect(await isInline([text('at once', 3)])).toBe(true);
    expect(contentOf(file)).toBe('\0\0\0at once');
  });

  it('hands to its thread what nobody waits for, and what is large', async () => {
    expect(await isInline([text('later')], false)).toBe(false);
    expect(contentOf(file)).toBe('later');
    const other = await open('other');
    const half = { chunks: [Buffer.alloc(INLINE_BYTES_MAX / 2, 'x')], position: 0 };
    const group = [
      { ...half, file },
      { ...half, file: other },
    ];
    expect(await isInline(group)).toBe(true);
    expect(await isInline([text('y', INLINE_BYTES_MAX), ...group.slice(1), { ...half, file: await open('third') }])).toBe(false);
    expect(contentOf(file)).toBe(`${'x'.repeat(INLINE_BYTES_MAX / 2)}${'\0'.repeat(INLINE_BYTES_MAX / 2)}y`);
  });

  it('leaves groups to its thread for a while once one took long, and then tries again', async () => {
    await writeSlowly(HELD_MS);
    expect(await isInline([text('one')])).toBe(false);
    nowMs += BACK_OFF_MS_MIN - 1;
    expect(await isInline([text('two')])).toBe(false);
    nowMs += 1;
    expect(await isInline([text('three')])).toBe(true);
    expect(contentOf(file)).toBe('three');
  });

  it('goes on after a short write with exactly what is left', async () => {
    const { writevSync } = fs;
    const short = vi.spyOn(fs, 'writevSync').mockImplementation((descriptor, chunks, position) => {
      const first = chunks[0];
      const byte = first instanceof Uint8Array ? first.subarray(0, 1) : new Uint8Array();
      return writevSync(descriptor, [byte], position);
    });
    const chunks = ['ab', '', 'cde'].map((part) => Buffer.from(part));
    expect(await writer.write([{ file, position: 1, chunks }], true)).toEqual([undefined]);
    expect(short).toHaveBeenCalledTimes(5);
    expect(contentOf(file)).toBe('\0abcde');
  });

  it('takes a write without progress for EIO, and does the others', async () => {
    vi.spyOn(fs, 'writevSync').mockImplementationOnce(() => 0);
    const other = await open('other');
    const results = await writer.write([text('lost'), { ...text('there'), file: other }], true);
    expect(results).toMatchObject([{ code: 'EIO', syscall: 'write' }, undefined]);
    expect(contentOf(other)).toBe('there');
  });

  it('fails as its thread does: each write by itself, with the code and the words of the platform', async () => {
    const closed = await disk.open(path.join(directory, 'closed'), 'create');
    await closed.close();
    const full = fs.existsSync('/dev/full') ? await disk.open('/dev/full', 'write') : closed;
    const group = [{ ...text('x'), file: full }, text('good'), { ...text('x'), file: closed }, { file, position: 9, chunks: [] }];
    const facts = async (isUrgent: boolean): Promise<unknown> => {
      const results = await writer.write(group, isUrgent);
      return results.map((error) => error && { message: error.message, code: 'code' in error ? error.code : undefined });
    };
    const inline = await facts(true);
    expect(Reflect.get(writer, 'thread')).toBeUndefined();
    expect(inline).toEqual(await facts(false));
    expect(inline).toMatchObject([full === closed ? {} : { code: 'ENOSPC' }, undefined, { code: expect.any(String) }, undefined]);
    if (full !== closed) await full.close();
  });

  it('leaves the same bytes in a file either way', async () => {
    const chunk = fc.uint8Array({ maxLength: 40 });
    const chunks = fc.oneof(fc.array(chunk, { maxLength: 6 }), fc.array(chunk, { minLength: 1025, maxLength: 1100 }));
    await fc.assert(
      fc.asyncProperty(chunks, fc.nat({ max: 50 }), async (pieces, position) => {
        await file.truncate(0);
        expect(await writer.write([{ file, position, chunks: pieces }], true)).toEqual([undefined]);
        const inline = fs.readFileSync(file.path);
        await file.truncate(0);
        expect(await writer.write([{ file, position, chunks: pieces }], false)).toEqual([undefined]);
        expect(inline.equals(fs.readFileSync(file.path))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it('refuses groups once it is closed, and a second one while its thread writes', async () => {
    const first = writer.write([text('first')], false);
    await expect(writer.write([text('second')], true)).rejects.toThrow(/in flight/);
    await first;
    await writer.close();
    await expect(writer.write([text('third')], true)).rejects.toThrow(/closed/);
  });
});
