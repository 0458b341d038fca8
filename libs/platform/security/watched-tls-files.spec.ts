import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { TestAuthority, type CertificateWish } from '@streamline/testing/tls/test-authority';
import { TLS_PATHS, TlsFilesInMemory } from '@streamline/testing/tls/tls-files-in-memory';
import { ToldLog } from '@streamline/testing/tls/told-log';
import type { TlsMaterial } from './tls-material';
import { RELOAD_POLL_MS, WatchedTlsFiles } from './watched-tls-files';

const DAY_MS = 86_400_000;
const authority = new TestAuthority();

let clock: VirtualClock;
let log: ToldLog;
let files: TlsFilesInMemory;
let watched: WatchedTlsFiles;
let changes: TlsMaterial[];

async function watch(wish: CertificateWish = {}): Promise<void> {
  files = new TlsFilesInMemory(authority.issue(wish), authority.cert);
  watched = await WatchedTlsFiles.open({
    settings: { ...TLS_PATHS, verifyPeer: true, minVersion: '1.2' },
    ...{ host: '127.0.0.1', readFile: files.readFile, clock, logger: log },
  });
  changes = [];
  watched.onChange((material) => changes.push(material));
}

/** Time goes on, and the files are looked at again. */
async function look(afterMs = RELOAD_POLL_MS): Promise<void> {
  const before = files.reads;
  clock.advance(afterMs);
  for (let turns = 0; turns < 10; turns++) await turn();
  expect(files.reads).toBeGreaterThan(before);
}

beforeEach(() => {
  clock = new VirtualClock(Date.now());
  log = new ToldLog();
});

afterEach(() => watched.close());

describe('WatchedTlsFiles', () => {
  it('takes new files and says so, and does nothing where they are the same', async () => {
    await watch();
    await look();
    expect(changes).toEqual([]);
    const next = authority.issue({ notAfter: new Date(Date.now() + 700 * DAY_MS) });
    files.write(next);
    await look();
    expect(changes.map((material) => material.files.cert.toString())).toEqual([next.cert]);
    expect(watched.current).toBe(changes[0]);
    expect(log.texts).toEqual([expect.stringContaining('were read anew')]);
    await look();
    expect(changes).toHaveLength(1);
  });

  it('takes other authorities where only those change', async () => {
    await watch();
    files.content.set(TLS_PATHS.caCertPath, `${authority.cert}${new TestAuthority('Next').cert}`);
    await look();
    expect(changes).toHaveLength(1);
  });

  it('does not mind that certificate and key are written one after the other', async () => {
    await watch();
    const next = authority.issue();
    files.content.set(TLS_PATHS.certPath, next.cert);
    await look();
    files.content.set(TLS_PATHS.keyPath, next.key);
    await look();
    expect(changes).toHaveLength(1);
    expect(log.lines.map(({ level }) => level)).toEqual(['info']);
  });

  it.each([
    ['is broken', () => files.content.set(TLS_PATHS.certPath, 'broken'), 'holds no certificate in PEM'],
    ['is gone', () => files.fail(TLS_PATHS.keyPath, 'ENOENT'), 'does not exist'],
    ['has expired', () => files.write(authority.issue({ notAfter: new Date(Date.now() - 1_000) })), 'expired on'],
  ])('keeps what it has where the new file %s, and says so once', async (_, spoil, problem) => {
    await watch();
    const { current } = watched;
    spoil();
    for (let n = 0; n < 5; n++) await look();
    expect(watched.current).toBe(current);
    expect(log.lines).toEqual([{ level: 'error', fields: {}, text: expect.stringContaining(problem) }]);
    expect(log.texts[0]).toMatch(/are not used, the certificates from before are kept: inter_broker_tls\./);
    files.write(authority.issue());
    await look();
    expect(changes).toHaveLength(1);
  });

  it('warns 30 days before the certificate expires, once a day, and no more once there is a new one', async () => {
    await watch({ notAfter: new Date(clock.wallMs() + 31 * DAY_MS) });
    await look();
    expect(log.lines).toEqual([]);
    await look(DAY_MS + RELOAD_POLL_MS);
    expect(log.lines).toEqual([
      { level: 'warn', fields: expect.anything(), text: expect.stringContaining('expires in 29 days') },
    ]);
    await look();
    expect(log.lines).toHaveLength(1);
    await look(DAY_MS);
    expect(log.texts[1]).toContain('expires in 28 days');
    await look(40 * DAY_MS);
    expect(log.lines[2]).toMatchObject({ level: 'error', text: expect.stringContaining('has expired') });
    files.write(authority.issue({ notAfter: new Date(clock.wallMs() + 365 * DAY_MS) }));
    await look();
    await look(2 * DAY_MS);
    expect(log.lines.slice(3)).toEqual([expect.objectContaining({ level: 'info' })]);
  });

  it('warns at the start of what expires soon, and of what peers will refuse', async () => {
    await watch({ notAfter: new Date(clock.wallMs() + 3.5 * DAY_MS), hosts: ['elsewhere'] });
    expect(log.texts).toEqual([expect.stringContaining('is for DNS:elsewhere'), expect.stringContaining('expires in 3 days')]);
  });

  it('looks no more once it is closed', async () => {
    await watch();
    watched.close();
    const { reads } = files;
    clock.advance(10 * RELOAD_POLL_MS);
    await turn();
    expect(files.reads).toBe(reads);
  });
});
