import { createPrivateKey } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestAuthority } from '@streamline/testing/tls/test-authority';
import { TLS_PATHS, TlsFilesInMemory } from '@streamline/testing/tls/tls-files-in-memory';
import { resolveConfig } from '../config/resolve-config';
import { ExitCode } from '../config/exit-codes';
import { readFileFromDisk, readTlsFiles } from './tls-files';
import { parseTlsMaterial } from './tls-material';
import { tlsSettingsOf, type TlsSettings } from './tls-settings';

const SETTINGS: TlsSettings = { ...TLS_PATHS, verifyPeer: true, minVersion: '1.2' };
const DAY_MS = 86_400_000;
const authority = new TestAuthority();
const good = authority.issue();

async function load(files: TlsFilesInMemory, settings = SETTINGS, host = '127.0.0.1') {
  return parseTlsMaterial(await readTlsFiles(settings, files.readFile), settings, host, Date.now());
}

function filesWith(changes: Partial<Record<keyof typeof TLS_PATHS, string>>): TlsFilesInMemory {
  const files = new TlsFilesInMemory(good, authority.cert);
  for (const [name, content] of Object.entries(changes)) files.content.set(TLS_PATHS[name as keyof typeof TLS_PATHS], content);
  return files;
}

const encrypted = createPrivateKey(good.key)
  .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  .toString();

describe('the files of inter_broker_tls', () => {
  it.each<[string, Parameters<typeof filesWith>[0], RegExp]>([
    ['a missing certificate', { certPath: 'ENOENT' }, /^inter_broker_tls.cert_path: \/tls\/node.pem does not exist$/],
    [
      'a key without permission',
      { keyPath: 'EACCES' },
      /^inter_broker_tls.key_path: \/tls\/node.key may not be read by this user/,
    ],
    ['a directory', { caCertPath: 'EISDIR' }, /^inter_broker_tls.ca_cert_path: \/tls\/ca.pem is a directory$/],
    ['a disk that fails', { caCertPath: 'EIO' }, /^inter_broker_tls.ca_cert_path: \/tls\/ca.pem cannot be read: EIO/],
    ['no PEM', { certPath: 'DER or so' }, /^inter_broker_tls.cert_path: .* holds no certificate in PEM/],
    ['an empty key', { keyPath: '' }, /^inter_broker_tls.key_path: .* holds no private key in PEM/],
    ['the key in the place of the certificate', { certPath: good.key }, /cert_path: .* holds a private key and no certificate/],
    ['a certificate that was cut', { certPath: good.cert.replace(/\n.{64}\n/, '\n') }, /cert_path: .* that cannot be read/],
    ['a key that was cut', { keyPath: good.key.replace(/\n.{64}\n/, '\n') }, /key_path: .* private key that cannot be read/],
    ['a key with a pass phrase', { keyPath: encrypted }, /key_path: .* is encrypted with a pass phrase/],
    ['the key of another certificate', { keyPath: authority.issue().key }, /key_path: .* is not the key of .*cert_path/],
    ['no authority', { caCertPath: 'nobody' }, /ca_cert_path: .* holds no certificate in PEM/],
  ])('names the setting, the file and what is wrong: %s', async (_, changes, message) => {
    const failure = load(filesWith(changes));
    await expect(failure).rejects.toMatchObject({
      exitCode: ExitCode.CERTIFICATE_UNUSABLE,
      message: expect.stringMatching(message),
    });
    await expect(failure).rejects.toMatchObject({ remedy: expect.stringMatching(/^[A-Z].*\.$/s) });
  });

  it.each([
    ['expired', { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) }, 'expired on '],
    ['not valid yet', { notBefore: new Date(Date.now() + DAY_MS) }, 'not valid before '],
    ['for servers only', { usages: ['server'] as const }, 'without the extended key usage clientAuth'],
    ['for clients only', { usages: ['client'] as const }, 'without the extended key usage serverAuth'],
  ])('refuses a certificate that every peer would refuse: one that is %s', async (_, wish, message) => {
    const issued = authority.issue(wish);
    const files = new TlsFilesInMemory(issued, authority.cert);
    await expect(load(files)).rejects.toThrow(`inter_broker_tls.cert_path: /tls/node.pem holds a certificate`);
    await expect(load(files)).rejects.toThrow(message);
    // Nobody looks at it.
    await expect(load(files, { ...SETTINGS, verifyPeer: false, caCertPath: undefined })).resolves.toBeDefined();
  });

  it('are taken where they fit, without doubts', async () => {
    const { doubts, expiresAtMs } = await load(filesWith({}));
    expect(doubts).toEqual([]);
    expect(expiresAtMs).toBeGreaterThan(Date.now() + 364 * DAY_MS);
  });

  it('raise a doubt where the certificate is not for the address by which peers reach the node', async () => {
    const { doubts } = await load(filesWith({}), SETTINGS, '10.0.0.1');
    expect(doubts).toEqual([expect.stringMatching(/is for DNS:localhost, IP Address:127.0.0.1, and peers .* as 10.0.0.1/)]);
  });

  it('raise a doubt where no authority in the file has signed the own certificate', async () => {
    const { doubts } = await load(filesWith({ caCertPath: new TestAuthority('Other').cert }));
    expect(doubts).toEqual([expect.stringContaining('is not signed by an authority of inter_broker_tls.ca_cert_path')]);
    expect((await load(filesWith({ caCertPath: `${new TestAuthority('Other').cert}${authority.cert}` }))).doubts).toEqual([]);
  });

  it('are read from the disk up to a bound, and a pipe holds up nobody', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'streamline-tls-'));
    try {
      const file = path.join(directory, 'large.pem');
      await writeFile(file, Buffer.alloc(3 * 1024 * 1024));
      expect(await readFileFromDisk(file)).toHaveLength(1024 * 1024);
      await expect(readFileFromDisk(directory)).rejects.toMatchObject({ code: 'EISDIR' });
      await expect(readFileFromDisk(path.join(file, 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe('the settings of inter_broker_tls', () => {
  function resolve(given: Readonly<Record<string, unknown>>) {
    const layer = Object.entries(given).map(([name, raw]) => [`inter_broker_tls.${name}`, { raw, origin: { kind: 'default' } }]);
    return resolveConfig([new Map(layer as never)]);
  }

  it('name what inter_broker_tls.enabled needs', () => {
    expect(resolve({ enabled: true }).problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^inter_broker_tls.enabled needs .*cert_path .*key_path .*ca_cert_path .*verify_peer false\)$/),
    ]);
    const unverified = resolve({ enabled: true, cert_path: '/c', key_path: '/k', verify_peer: false });
    expect(unverified.problems).toEqual([]);
    const [problem] = resolve({ enabled: true, cert_path: '/c', ca_cert_path: '/ca' }).problems;
    expect(problem?.message).toBe('inter_broker_tls.enabled needs inter_broker_tls.key_path (its private key, PEM)');
    expect(resolve({ verify_peer: false, min_version: '1.3' }).problems).toEqual([]);
  });

  it('are what TLS is made with', () => {
    const all = { enabled: true, cert_path: '/c', key_path: '/k', ca_cert_path: '/ca', min_version: '1.3' };
    expect(tlsSettingsOf(resolve(all).config)).toEqual({
      ...{ certPath: '/c', keyPath: '/k', caCertPath: '/ca', verifyPeer: true, minVersion: '1.3' },
    });
    expect(tlsSettingsOf(resolve({ ...all, verify_peer: false }).config)?.caCertPath).toBeUndefined();
    expect(tlsSettingsOf(resolve({ ...all, enabled: false }).config)).toBeUndefined();
  });
});
