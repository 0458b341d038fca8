import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogOutput } from './log-output';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'streamline-log-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A pipe with both ends in this process: reads never block. */
function pipe(): { readonly reader: number; readonly writer: number } {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: openSync(path, constants.O_WRONLY) };
}

function readAll(fd: number): string {
  const chunk = Buffer.alloc(1024 * 1024);
  let text = '';
  for (;;) {
    try {
      const length = readSync(fd, chunk);
      if (length === 0) return text;
      text += chunk.toString('utf8', 0, length);
    } catch {
      return text;
    }
  }
}

describe('the output of the log', () => {
  it('has written a line when the call returns', () => {
    const { reader, writer } = pipe();
    const output = new LogOutput({ fd: writer, waitingBytesMax: 1_000 });
    output.write('one\n');
    expect(readAll(reader)).toBe('one\n');
    output.close();
    for (const fd of [reader, writer]) closeSync(fd);
  });

  it('does not block when nobody reads; keeps lines in order, drops what is too much and says how many', () => {
    const { reader, writer } = pipe();
    const output = new LogOutput({ fd: writer, waitingBytesMax: 50_000 });
    const lines = Array.from({ length: 200 }, (_, line) => `${String(line).padStart(999, '0')}\n`);
    for (const line of lines) output.write(line);
    let text = readAll(reader);
    output.flushSync();
    text += readAll(reader);
    const read = text.trimEnd().split('\n');
    const warning: unknown = JSON.parse(read.pop() ?? '');
    expect(read.map((line) => `${line}\n`)).toEqual(lines.slice(0, read.length));
    expect(read.length).toBeGreaterThan(100);
    expect(warning).toMatchObject({ level: 'warn', lines: 200 - read.length });
    output.close();
    for (const fd of [reader, writer]) closeSync(fd);
  });

  it('goes silent when its reader went away', () => {
    const { reader, writer } = pipe();
    const output = new LogOutput({ fd: writer, waitingBytesMax: 1_000 });
    closeSync(reader);
    output.write('one\n');
    output.write('two\n');
    output.close();
    closeSync(writer);
  });

  it('appends to what a file already holds', () => {
    const path = join(directory, 'file');
    const fd = openSync(path, 'w');
    const output = new LogOutput({ fd, waitingBytesMax: 1_000 });
    output.write('one\n');
    output.write('two\n');
    output.close();
    closeSync(fd);
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
  });
});
