import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, isWildcardHost, parseAddress } from './address';

describe('parseAddress', () => {
  it.each([
    ['0.0.0.0:9092', '0.0.0.0', 9092],
    ['broker-1:9092', 'broker-1', 9092],
    ['a.b_c.example.com:1', 'a.b_c.example.com', 1],
    ['[::1]:65535', '::1', 65_535],
  ])('reads %s', (text, host, port) => {
    expect(parseAddress(text, 1)).toEqual({ ok: true, address: { host, port } });
  });

  it.each([
    ['localhost', 'the port is missing'],
    [':9092', 'the host is missing'],
    ['localhost:', '"" is not a port'],
    ['localhost:http', '"http" is not a port'],
    ['localhost:65536', 'port 65536 is not between 1 and 65535'],
    ['localhost:0', 'port 0 is not between 1 and 65535'],
    ['localhost:-1', '"-1" is not a port'],
    ['256.1.1.1:1', '"256.1.1.1" is not an IPv4 address'],
    ['1.2.3:1', '"1.2.3" is not an IPv4 address'],
    ['-a:1', '"-a" is not a host name'],
    ['a b:1', '"a b" is not a host name'],
    ['kafka://localhost:9092', 'an address has no scheme: leave out everything up to "//"'],
    ['::1', 'an IPv6 address goes in brackets and needs a port: [::1]:9092'],
    ['fe80::1:2:zz:9092', 'an IPv6 address goes in brackets: [fe80::1:2:zz]:9092'],
    ['[::1:9092', '"[::1" is not an IPv6 address in brackets'],
    ['[localhost]:9092', '"[localhost]" is not an IPv6 address in brackets'],
  ])('refuses %s', (text, reason) => {
    expect(parseAddress(text, 1)).toEqual({ ok: false, reason });
  });

  it('takes port 0 only where one listens', () => {
    expect(parseAddress('127.0.0.1:0', 0).ok).toBe(true);
    expect(parseAddress('127.0.0.1:0', 1).ok).toBe(false);
  });

  it('reads back what it writes', () => {
    const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
        const address = { host: name, port };
        expect(parseAddress(formatAddress(address), 1)).toEqual({ ok: true, address });
      }),
    );
  });

  it('never throws, whatever the text', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof parseAddress(text, 0).ok === 'boolean'));
  });
});

describe('isWildcardHost', () => {
  it.each(['0.0.0.0', '::', '0:0:0:0:0:0:0:0'])('is true for %s', (host) => expect(isWildcardHost(host)).toBe(true));
  it.each(['127.0.0.1', '::1', 'localhost', '10.0.0.0'])('is false for %s', (host) => expect(isWildcardHost(host)).toBe(false));
});
