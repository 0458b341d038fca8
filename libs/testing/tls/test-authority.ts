import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import net from 'node:net';
import { bits, boolean, integer, objectId, octets, sequence, setOf, tagged, text, utcTime } from './der';

/** What a certificate is to say. */
export interface CertificateWish {
  readonly commonName?: string;
  /** Host names and IPv4 addresses that it is valid for. */
  readonly hosts?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Both by default. */
  readonly usages?: readonly (keyof typeof USAGE_OIDS)[];
}

/** A certificate with its private key, both PEM. */
export interface IssuedCertificate {
  readonly cert: string;
  readonly key: string;
}

const USAGE_OIDS = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const;
const ECDSA_WITH_SHA256 = sequence(objectId('1.2.840.10045.4.3.2'));
const DAY_MS = 86_400_000;

function pem(der: Uint8Array): string {
  const lines = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Buffer {
  return sequence(setOf(sequence(objectId('2.5.4.3'), text(commonName))));
}

function extension(oid: string, value: Uint8Array, isCritical = false): Buffer {
  return sequence(objectId(oid), ...(isCritical ? [boolean(true)] : []), octets(value));
}

function alternativeName(host: string): Buffer {
  if (net.isIPv4(host)) return tagged(0x87, Buffer.from(host.split('.').map(Number)));
  return tagged(0x82, Buffer.from(host));
}

const AUTHORITY_EXTENSIONS = [
  extension('2.5.29.19', sequence(boolean(true)), true),
  // keyCertSign
  extension('2.5.29.15', bits(Buffer.from([0x04]), 2), true),
];

interface Signed {
  readonly subject: string;
  readonly subjectKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Buffer[];
}

/** An authority that signs what a test asks for: certificates of X.509 v3 with P-256 keys (RFC 5280). */
export class TestAuthority {
  /** Its own certificate, PEM. */
  readonly cert: string;
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

  /** `notAfter` is when its own certificate expires: in ten years by default. */
  constructor(
    readonly commonName = 'Test CA',
    notAfter = new Date(Date.now() + 3_650 * DAY_MS),
  ) {
    const notBefore = new Date(Math.min(Date.now(), notAfter.getTime()) - DAY_MS);
    const subjectKey = this.#keys.publicKey;
    this.cert = this.#sign({ subject: commonName, subjectKey, notBefore, notAfter, extensions: AUTHORITY_EXTENSIONS });
  }

  /** Valid from an hour ago for a year, for localhost and 127.0.0.1, where nothing else is wished. */
  issue(wish: CertificateWish = {}): IssuedCertificate {
    const { commonName = 'node', hosts = ['localhost', '127.0.0.1'], usages = ['server', 'client'] } = wish;
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cert = this.#sign({
      subject: commonName,
      subjectKey: publicKey,
      notBefore: wish.notBefore ?? new Date(Date.now() - DAY_MS / 24),
      notAfter: wish.notAfter ?? new Date(Date.now() + 365 * DAY_MS),
      extensions: [
        extension('2.5.29.17', sequence(...hosts.map(alternativeName))),
        extension('2.5.29.37', sequence(...usages.map((usage) => objectId(USAGE_OIDS[usage])))),
      ],
    });
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  #sign({ subject, subjectKey, notBefore, notAfter, extensions }: Signed): string {
    const toBeSigned = sequence(
      tagged(0xa0, tagged(0x02, Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      ECDSA_WITH_SHA256,
      nameOf(this.commonName),
      sequence(utcTime(notBefore), utcTime(notAfter)),
      nameOf(subject),
      subjectKey.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(...extensions)),
    );
    return pem(sequence(toBeSigned, ECDSA_WITH_SHA256, bits(sign('sha256', toBeSigned, this.#keys.privateKey))));
  }
}
