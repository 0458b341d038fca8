import { beforeEach, describe, expect, it } from 'vitest';
import type { DiskFile, FileWrite, FileWriter } from '../ports/disk';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { SegmentWrites } from './segment-writes';
import type { ChosenWrite } from './segment-writes';

const MIB = 1 << 20;

/** Groups end when the test says so. */
class HeldWriter implements FileWriter {
  readonly groups: (readonly FileWrite[])[] = [];
  /** Of each group, whether somebody waits for it. */
  readonly urgencies: boolean[] = [];
  /** Set to hold the turn open. */
  turn = Promise.resolve();
  private end: ((errors: readonly (Error | undefined)[]) => void) | undefined;

  endOfTurn(): Promise<void> {
    return this.turn;
  }

  write(group: readonly FileWrite[], isUrgent: boolean): Promise<readonly (Error | undefined)[]> {
    this.groups.push(group);
    this.urgencies.push(isUrgent);
    return new Promise((resolve) => (this.end = resolve));
  }

  async endGroup(errors: Readonly<Record<number, Error>> = {}): Promise<void> {
    const group = this.groups.at(-1) ?? [];
    this.end?.(group.map((_, at) => errors[at]));
    await turn();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** First letters of what each group wrote. */
  get letters(): string[] {
    return this.groups.map((group) => group.map(({ chunks }) => Buffer.concat(chunks).toString('utf8', 0, 1)).join(''));
  }
}

let writer: HeldWriter;
let writes: SegmentWrites;
let file: DiskFile;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function chosen(letter: string, bytes = 1): ChosenWrite {
  return { position: 0, chunks: [Buffer.alloc(bytes, letter)], bytes };
}

function write(letter: string, { bytes = 1, isUrgent = true } = {}): Promise<void> {
  return writes.write(file, isUrgent, () => chosen(letter, bytes));
}

beforeEach(async () => {
  writer = new HeldWriter();
  writes = new SegmentWrites(writer);
  file = await new MemoryDisk({ random: new SeededRandom(1) }).open('/file', 'create');
});

describe('the writes to segments', () => {
  it('go to the disk together where they are asked for in one turn, and while another group is written', async () => {
    void write('a');
    void write('b');
    await turn();
    void write('c');
    void write('d');
    await turn();
    expect(writer.letters).toEqual(['ab']);
    await writer.endGroup();
    expect(writer.letters).toEqual(['ab', 'cd']);
  });

  it('wait for the end of the turn, each group anew, and take what comes until then', async () => {
    let endTurn = (): void => undefined;
    const holdTurn = (): void => {
      writer.turn = new Promise((resolve) => (endTurn = resolve));
    };
    holdTurn();
    void write('a');
    await turn();
    void write('b');
    expect(writer.letters).toEqual([]);
    endTurn();
    await turn();
    holdTurn();
    void write('c');
    await writer.endGroup();
    void write('d');
    expect(writer.letters).toEqual(['ab']);
    endTurn();
    await turn();
    expect(writer.letters).toEqual(['ab', 'cd']);
  });

  it('hold what there is when their group begins', async () => {
    void write('a');
    await turn();
    let letter = 'b';
    void writes.write(file, true, () => chosen(letter));
    letter = 'c';
    await writer.endGroup();
    expect(writer.letters).toEqual(['a', 'c']);
  });

  it('end each with its own result', async () => {
    const failed = write('a').catch((error: unknown) => error);
    const done = write('b');
    const nothing = writes.write(file, true, () => undefined);
    await turn();
    await writer.endGroup({ 0: new Error('EIO') });
    expect(await failed).toEqual(new Error('EIO'));
    await Promise.all([done, nothing]);
    expect(writer.letters).toEqual(['ab']);
  });

  it('put those first that somebody waits for, and bound a group', async () => {
    for (const letter of ['x', 'y', 'z']) void write(letter, { bytes: 2 * MIB, isUrgent: false });
    void write('a');
    await turn();
    void write('b');
    await writer.endGroup();
    await writer.endGroup();
    expect(writer.letters).toEqual(['axy', 'bz']);
  });

  it('leave some of each group to those that nobody waits for', async () => {
    for (const letter of ['a', 'b', 'c']) void write(letter, { bytes: 3 * MIB });
    for (const letter of ['x', 'y']) void write(letter, { bytes: MIB, isUrgent: false });
    await turn();
    await writer.endGroup();
    expect(writer.letters).toEqual(['abx', 'cy']);
  });

  it('say of each group whether somebody waits for something in it', async () => {
    void write('x', { isUrgent: false });
    await turn();
    void write('y', { isUrgent: false });
    void write('a');
    await writer.endGroup();
    void write('z', { isUrgent: false });
    await writer.endGroup();
    expect(writer.letters).toEqual(['x', 'ay', 'z']);
    expect(writer.urgencies).toEqual([false, true, false]);
  });

  it('have all ended when they are closed', async () => {
    const ended: string[] = [];
    void write('a').then(() => ended.push('a'));
    const closed = writes.close().then(() => ended.push('closed'));
    await turn();
    await writer.endGroup();
    await closed;
    expect(ended).toEqual(['a', 'closed']);
  });
});
