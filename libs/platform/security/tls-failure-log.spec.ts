import type { PeerCertificate } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '@streamline/testing/time/virtual-clock';
import { ToldLog } from '@streamline/testing/tls/told-log';
import { explainTlsFailure } from './tls-failure';
import { TlsFailureLog } from './tls-failure-log';

const PLAIN = explainTlsFailure('ERR_SSL_WRONG_VERSION_NUMBER', { minVersion: '1.2' });
const EXPIRED = explainTlsFailure('CERT_HAS_EXPIRED', { minVersion: '1.2' });

describe('explainTlsFailure', () => {
  it('lets nobody write lines of the log with the name in a certificate', () => {
    const subject = { CN: `a\n\u001b[31m${'x'.repeat(1_000)}` } as PeerCertificate['subject'];
    const { text } = explainTlsFailure('CERT_HAS_EXPIRED', { minVersion: '1.2' }, { subject, issuer: subject });
    expect(text).toMatch(/^[\x20-\x7e]{1,600}$/);
    expect(text).toContain('(a??[31mxxx');
  });
});

describe('TlsFailureLog', () => {
  it('tells each peer and reason at once, then once a minute with how often it was meanwhile, and counts all', () => {
    const [log, clock] = [new ToldLog(), new VirtualClock()];
    const failures = new TlsFailureLog(log, clock);
    for (let n = 0; n < 10; n++) failures.add('accept', '10.0.0.1', PLAIN);
    failures.add('accept', '10.0.0.2', PLAIN);
    failures.add('connect', '10.0.0.1', EXPIRED);
    expect(log.lines.map(({ fields, text }) => [fields, text.split(':')[0]])).toEqual([
      [{ reason: 'plain_text' }, 'refused a connection from 10.0.0.1'],
      [{ reason: 'plain_text' }, 'refused a connection from 10.0.0.2'],
      [{ reason: 'expired' }, 'cannot connect to 10.0.0.1'],
    ]);
    clock.advance(60_000);
    failures.add('accept', '10.0.0.1', PLAIN);
    expect(log.lines[3]?.fields).toEqual({ reason: 'plain_text', before: 9 });
    expect(failures.counts).toEqual([
      { side: 'accept', reason: 'plain_text', count: 12 },
      { side: 'connect', reason: 'expired', count: 1 },
    ]);
  });

  it('remembers a bounded number of peers', () => {
    const log = new ToldLog();
    const failures = new TlsFailureLog(log, new VirtualClock());
    for (let n = 0; n < 3_000; n++) failures.add('accept', `10.0.${n >> 8}.${n & 255}`, PLAIN);
    failures.add('accept', '10.0.0.0', PLAIN);
    expect(log.lines).toHaveLength(3_001);
  });
});
