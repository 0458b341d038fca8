import * as grpc from '@grpc/grpc-js';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkHealth, listServices } from '@streamline/testing/grpc/generic-client';
import { alertRules, samplesOf } from '@streamline/testing/prometheus/alert-rules';
import { evaluate } from '@streamline/testing/prometheus/rule-expression';
import { TestAuthority } from '@streamline/testing/tls/test-authority';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { batchOf, Broker } from '../kit/broker';
import { Command } from '../kit/command';
import { eventually } from '../kit/conditions';
import { unique } from '../kit/names';
import { NodeProcess, SPLIT_ROLES } from '../kit/node-process';

const DAY_MS = 86_400_000;
const authority = new TestAuthority();
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'streamline-tls-'));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Puts a file in the place of another at once, as those who renew certificates do. */
async function replace(name: string, content: string): Promise<void> {
  await writeFile(path.join(directory, `${name}.new`), content, { mode: 0o600 });
  await rename(path.join(directory, `${name}.new`), path.join(directory, name));
}

async function issue(by: TestAuthority, trusted: string): Promise<void> {
  const { cert, key } = by.issue();
  await replace('node.key', key);
  await replace('node.pem', cert);
  await replace('ca.pem', trusted);
}

function tlsFlags(): string[] {
  const file = (name: string): string => path.join(directory, name);
  return [
    ...['--inter-broker-tls-enabled', '--inter-broker-tls-cert-path', file('node.pem')],
    ...['--inter-broker-tls-key-path', file('node.key'), '--inter-broker-tls-ca-cert-path', file('ca.pem')],
  ];
}

function credentials(by: TestAuthority): grpc.ChannelCredentials {
  const { cert, key } = by.issue();
  return grpc.credentials.createSsl(Buffer.from(by.cert), Buffer.from(key), Buffer.from(cert));
}

describe('a node of four processes over mTLS', () => {
  let node: NodeProcess;

  beforeAll(async () => {
    await issue(authority, authority.cert);
    node = await NodeProcess.start({ topology: 'split', flags: tlsFlags() });
  });

  afterAll(() => node.remove());

  async function roundTrip(): Promise<void> {
    const broker = await Broker.connect(node.bootstrap);
    const topic = unique('secured');
    await broker.createTopic(topic);
    await broker.produce(topic, 0, batchOf(['one', 'two']));
    expect((await broker.readAll(topic)).map(({ value }) => value)).toEqual(['one', 'two']);
    await broker.close();
  }

  it('serves clients', roundTrip);

  it('answers nobody on an inter-broker port who has no certificate of its authority, and says so', async () => {
    for (const address of node.interBrokerAddresses) {
      expect(await checkHealth(address.replace('127.0.0.1', 'localhost'), '', credentials(authority))).toBe('SERVING');
      await expect(checkHealth(address, '')).rejects.toThrow();
      await expect(listServices(address)).rejects.toThrow();
    }
    const refusals = (): number => node.log.split('refused a connection from 127.0.0.1: it does not speak TLS').length - 1;
    await eventually('each process says so', () => refusals() >= SPLIT_ROLES.length);
    expect(refusals()).toBe(SPLIT_ROLES.length);
  });

  it('tells when the certificate of each process expires, and what each refused', async () => {
    const text = await (await fetch(`${node.http}/metrics`)).text();
    const expiries = [
      ...text.matchAll(/^streamline_inter_broker_certificate_expiry_timestamp_seconds\{process="(\w+)"\} (\d+)$/gm),
    ];
    const [expiryAlert] = alertRules().filter(({ name }) => name === 'StreamlineCertificateExpires');
    if (!expiryAlert) throw new Error('deploy/alerts.yml has no alert of certificates');
    expect(expiries.map(([, process]) => process).sort()).toEqual([...SPLIT_ROLES].sort());
    for (const [, , seconds] of expiries) expect(Number(seconds)).toBeGreaterThan((Date.now() + 300 * DAY_MS) / 1_000);
    const samples = samplesOf(text, { instance: 'node-1:9094' });
    const expiring = (atMs: number): number => evaluate(expiryAlert.expression, [{ atMs, samples }]).size;
    expect(expiring(Date.now()), `${expiryAlert.name} holds`).toBe(0);
    expect(expiring(Date.now() + 360 * DAY_MS), `${expiryAlert.name} holds a year later`).toBe(SPLIT_ROLES.length);
    expect(text).toMatch(
      /^streamline_inter_broker_tls_failures_total\{process="storage",side="accept",reason="plain_text"\} [1-9]/m,
    );
  });

  it('takes another authority while it runs, as docs/tls.md says, and a process that starts later is one of it', async () => {
    const next = new TestAuthority('Next CA');
    const reread = (): number => node.log.split('were read anew').length - 1;
    const allReread = async (by: TestAuthority, trusted: string): Promise<void> => {
      const before = reread();
      await issue(by, trusted);
      // One change or two: the files are not replaced at one time.
      await eventually('all processes have read the certificates anew', () => reread() >= before + SPLIT_ROLES.length);
    };
    await allReread(authority, `${authority.cert}${next.cert}`);
    await allReread(next, `${authority.cert}${next.cert}`);
    await allReread(next, next.cert);
    const [storage = ''] = node.interBrokerAddresses.slice(1);
    await eventually('the old authority is not known any more', () =>
      checkHealth(storage.replace('127.0.0.1', 'localhost'), '', credentials(authority)).then(
        () => false,
        () => true,
      ),
    );
    await node.killAndStartRole('storage');
    await eventually('clients are served', () => roundTrip().then(() => true), 30_000);
    expect(await node.stop(), node.log).toEqual([0, 0, 0, 0]);
    expect(node.log).not.toContain('DeprecationWarning');
  });
});

describe('a start with files that cannot be used', () => {
  let command: Command | undefined;

  afterEach(() => command?.dispose());

  it.each([
    ['is missing', 'inter_broker_tls.cert_path', () => rm(path.join(directory, 'node.pem')), 'node.pem does not exist'],
    ['is no PEM', 'inter_broker_tls.key_path', () => replace('node.key', 'secret'), 'node.key holds no private key in PEM'],
    [
      'does not fit',
      'inter_broker_tls.key_path',
      () => replace('node.key', authority.issue().key),
      'is not the key of the certificate',
    ],
  ])('ends with exit code 11 and the name of the setting: one that %s', async (_, setting, spoil, problem) => {
    await issue(authority, authority.cert);
    await spoil();
    command = Command.streamline([...tlsFlags(), '--data-dir', path.join(directory, 'data'), '--log-format', 'json']);
    expect((await command.end()).code).toBe(11);
    expect(command.output).toContain(setting);
    expect(command.output).toContain(problem);
  });

  it('ends with exit code 2 where inter_broker_tls.enabled lacks what it needs', async () => {
    command = Command.streamline(['--inter-broker-tls-enabled', '--data-dir', path.join(directory, 'data')]);
    expect((await command.end()).code).toBe(2);
    expect(command.output).toContain('inter_broker_tls.enabled needs inter_broker_tls.cert_path');
  });
});
