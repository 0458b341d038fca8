import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryLock, DirectoryLockedError } from './directory-lock';
import { bundleFixture, FixtureProcess } from './fixtures/spawn-fixture';

let script: string;
let directory: string;
let processes: FixtureProcess[];

beforeAll(async () => {
  script = await bundleFixture('lock-holder.ts');
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'streamline-lock-'));
  processes = [];
});
afterEach(async () => {
  for (const one of processes) one.kill('SIGKILL');
  await Promise.all(processes.map((one) => one.exited));
  rmSync(directory, { recursive: true });
});

function contend(): FixtureProcess {
  const contender = new FixtureProcess(script, [directory]);
  processes.push(contender);
  return contender;
}

async function holder(): Promise<FixtureProcess> {
  const process = contend();
  await process.says(/outcome held/);
  return process;
}

function lockFiles(): string[] {
  return readdirSync(directory).filter((name) => name.startsWith('lock.'));
}

describe('the lock of a directory', () => {
  it('is held by one process, which the other is told of', async () => {
    const first = await holder();
    await expect(DirectoryLock.acquire(directory)).rejects.toMatchObject({ holderPid: first.child.pid, directory });
  });

  it('is free at once when its process was killed with -9, and what that left is cleared away', async () => {
    for (let round = 0; round < 3; round++) {
      const one = await holder();
      one.kill('SIGKILL');
      await one.exited;
    }
    expect(lockFiles()).toHaveLength(1);
    const lock = await DirectoryLock.acquire(directory);
    expect(lockFiles()).toHaveLength(1);
    await lock.release();
    expect(lockFiles()).toEqual([]);
  });

  it('is still held by a process that is stopped', async () => {
    const stopped = await holder();
    stopped.kill('SIGSTOP');
    await expect(DirectoryLock.acquire(directory)).rejects.toBeInstanceOf(DirectoryLockedError);
    stopped.kill('SIGCONT');
    await expect(DirectoryLock.acquire(directory)).rejects.toBeInstanceOf(DirectoryLockedError);
  });

  it('does not mistake a process that got the id of a dead holder for the holder', async () => {
    const dead = await holder();
    dead.kill('SIGKILL');
    await dead.exited;
    const [left = ''] = lockFiles();
    renameSync(join(directory, left), join(directory, left.replace(/^lock\.\d+/, `lock.${process.pid}`)));
    await (await DirectoryLock.acquire(directory)).release();
  });

  it('is given to exactly one of many that start together, also over what dead ones left', async () => {
    for (let round = 0; round < 2; round++) {
      const contenders = Array.from({ length: 5 }, contend);
      const outcomes = await Promise.all(contenders.map(async (one) => (await one.says(/outcome (held|refused by \d+)/))[1]));
      expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(1);
      for (const one of contenders) one.kill('SIGKILL');
      await Promise.all(contenders.map((one) => one.exited));
    }
  });

  it('is given to exactly one of many within a process', async () => {
    for (let round = 0; round < 5; round++) {
      const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => DirectoryLock.acquire(directory)));
      const held = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
      expect(held).toHaveLength(1);
      await held[0]?.release();
    }
  });

  it('can be waited for', async () => {
    const first = await DirectoryLock.acquire(directory);
    const second = DirectoryLock.acquire(directory, { waitMs: 10_000 });
    await first.release();
    await (await second).release();
  });

  it('works where the path is longer than a socket address may be', async () => {
    const deep = join(directory, 'a'.repeat(120), 'b'.repeat(120));
    mkdirSync(deep, { recursive: true });
    const lock = await DirectoryLock.acquire(deep);
    await expect(DirectoryLock.acquire(deep)).rejects.toBeInstanceOf(DirectoryLockedError);
    await lock.release();
    await lock.release();
  });
});
