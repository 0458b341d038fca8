import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyValueStore } from './key-value-store';
import { openRocksStore } from './rocks-store';

const key = (text: string): Buffer => Buffer.from(text);

async function all(store: KeyValueStore, from = '', to = '~'): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const page of store.scan(key(from), key(to))) {
    for (const entry of page) found.push([entry.key.toString(), entry.value.toString()]);
  }
  return found;
}

describe('openRocksStore', () => {
  let directory: string;
  let store: KeyValueStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'rocks-'));
    store = await openRocksStore(join(directory, 'db'), 'write');
  });

  afterEach(async () => {
    await store.close();
    await rm(directory, { recursive: true });
  });

  it('keeps what was written through a close, in the order of the keys', async () => {
    await store.write({
      puts: [
        [key('b'), key('2')],
        [key('a'), key('1')],
      ],
    });
    await store.flush();
    await store.close();
    store = await openRocksStore(join(directory, 'db'), 'write');
    expect(await all(store)).toEqual([
      ['a', '1'],
      ['b', '2'],
    ]);
    expect((await store.get(key('b')))?.toString()).toBe('2');
    expect(await store.get(key('c'))).toBeUndefined();
  });

  it('deletes ranges first, then keys, then puts, in the order of the calls without waiting', async () => {
    const put = (name: string, value: string) => store.write({ puts: [[key(name), key(value)]] });
    void put('t/1', 'old');
    void put('t/2', 'old');
    void put('u', 'old');
    await store.write({ deleteRanges: [[key('t/'), key('t0')]], deletes: [key('u')], puts: [[key('t/2'), key('new')]] });
    expect(await all(store)).toEqual([['t/2', 'new']]);
  });

  it('opens for reading with what a killed process wrote last, leaves the files alone, and makes none', async () => {
    await store.write({ puts: [[key('a'), key('1')]] });
    const path = join(directory, 'db');
    const files = async (): Promise<string[]> =>
      (await readdir(path)).filter((name) => /^(CURRENT|MANIFEST|\d+\.)/.test(name)).sort();
    const before = await files();
    const reader = await openRocksStore(path, 'read');
    expect(await all(reader)).toEqual([['a', '1']]);
    await expect(reader.write({ puts: [[key('b'), key('2')]] })).rejects.toThrow();
    await reader.close();
    expect(await files()).toEqual(before);
    await expect(openRocksStore(join(directory, 'none'), 'read')).rejects.toThrow();
  });

  it('scans more than a page', async () => {
    const names = Array.from({ length: 3000 }, (_, n) => String(n).padStart(5, '0'));
    await store.write({ puts: names.map((name) => [key(name), key(name)] as const) });
    expect((await all(store)).map(([name]) => name)).toEqual(names);
    expect(await all(store, '00010', '00012')).toHaveLength(2);
  });
});
