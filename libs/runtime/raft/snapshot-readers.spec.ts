import { beforeEach, describe, expect, it } from 'vitest';
import type { DiskFile } from '@streamline/runtime/ports/disk';
import { MemoryDisk } from '@streamline/testing/disk/memory-disk';
import { SeededRandom } from '@streamline/testing/time/seeded-random';
import { SnapshotReaders } from './snapshot-readers';

const CONTENT = Buffer.from('0123456789');

/** The readers of one file, and how often it was opened and closed. */
class Bench {
  opened = 0;
  closed = 0;
  /** What is to be found at the next opening. */
  found: 'file' | 'nothing' | 'error' = 'file';
  readonly readers = new SnapshotReaders(() => this.#open());
  readonly #disk = new MemoryDisk({ random: new SeededRandom(1) });

  async prepare(): Promise<void> {
    const file = await this.#disk.open('/s', 'create');
    await file.write(0, [CONTENT]);
    await file.close();
  }

  async read(offset: number): Promise<string | undefined> {
    const piece = await this.readers.read('s', offset, 4);
    return piece && `${Buffer.from(piece.data).toString()}${piece.last ? '.' : ''}`;
  }

  async #open(): Promise<DiskFile | undefined> {
    this.opened++;
    if (this.found === 'error') throw new Error('EIO');
    if (this.found === 'nothing') return undefined;
    const file = await this.#disk.open('/s', 'read');
    const close = file.close.bind(file);
    return Object.assign(file, {
      close: () => {
        this.closed++;
        return close();
      },
    });
  }
}

describe('SnapshotReaders', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = new Bench();
    await bench.prepare();
  });

  it('open a file once for all its pieces, and close it with the last', async () => {
    expect([await bench.read(0), await bench.read(4)]).toEqual(['0123', '4567']);
    expect([bench.opened, bench.closed]).toEqual([1, 0]);
    expect(await bench.read(8)).toBe('89.');
    expect([bench.opened, bench.closed]).toEqual([1, 1]);
  });

  it('serve many at once from one handle, which is closed when nobody reads any more', async () => {
    const pieces = await Promise.all([0, 8, 4, 8, 0].map((offset) => bench.read(offset)));
    expect(pieces).toEqual(['0123', '89.', '4567', '89.', '0123']);
    expect(bench.closed).toBe(bench.opened);
    expect(bench.opened).toBeLessThanOrEqual(2);
    expect(await bench.read(4)).toBe('4567');
    await bench.readers.close();
    expect(bench.closed).toBe(bench.opened);
  });

  it('let go of a file that is forgotten, also while it is read', async () => {
    await bench.read(0);
    const reading = bench.read(4);
    bench.found = 'nothing';
    const forgotten = bench.readers.forget('s');
    expect(await reading).toBe('4567');
    await forgotten;
    expect([bench.opened, bench.closed]).toEqual([1, 1]);
    expect(await bench.read(4)).toBeUndefined();
  });

  it('open again what could not be opened', async () => {
    bench.found = 'error';
    await expect(Promise.all([bench.read(0), bench.read(4)])).rejects.toThrow('EIO');
    bench.found = 'file';
    expect(await bench.read(0)).toBe('0123');
    await bench.readers.close();
    expect([bench.opened, bench.closed]).toEqual([2, 1]);
  });
});
