import { constants, createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import net from 'node:net';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { TlsFiles } from './tls-files';
import { TlsMaterialError } from './tls-material-error';
import type { TlsSettings } from './tls-settings';

/** What HTTP/2 allows of TLS 1.2 (RFC 9113, 9.2.2), and all of TLS 1.3. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** Extended key usages (RFC 5280, 4.2.1.12): a node is a server to some connections and a client to others. */
const NEEDED_USAGES = [
  ['1.3.6.1.5.5.7.3.1', 'serverAuth'],
  ['1.3.6.1.5.5.7.3.2', 'clientAuth'],
] as const;
const CHAIN_LENGTH_MAX = 16;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Certificates and key that were read, parsed and found to fit together. */
export interface TlsMaterial {
  readonly files: TlsFiles;
  readonly expiresAtMs: number;
  /** For connections of both directions. */
  readonly context: SecureContextOptions;
  /** Why peers may well refuse the certificate: sentences for the log. */
  readonly doubts: readonly string[];
}

function certificatesIn(pem: Buffer): X509Certificate[] {
  return (pem.toString('latin1').match(PEM_CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
}

function asProblem(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Certificates as they stand in a file, the node's own first. */
function chainOf({ cert }: TlsFiles, { certPath }: TlsSettings): readonly [X509Certificate, ...X509Certificate[]] {
  const fail = (problem: string, cause?: unknown): never => {
    const remedy = "Write this node's certificate in PEM, and any intermediate certificates behind it, to that file.";
    throw new TlsMaterialError('inter_broker_tls.cert_path', certPath, problem, remedy, { cause });
  };
  let chain: X509Certificate[] = [];
  try {
    chain = certificatesIn(cert);
  } catch (error) {
    fail(`holds a certificate that cannot be read: ${asProblem(error)}`, error);
  }
  const [leaf, ...rest] = chain;
  if (leaf !== undefined) return [leaf, ...rest];
  const isKey = cert.includes('PRIVATE KEY-----');
  return fail(isKey ? 'holds a private key and no certificate' : 'holds no certificate in PEM (-----BEGIN CERTIFICATE-----)');
}

function keyOf({ key }: TlsFiles, { keyPath }: TlsSettings): KeyObject {
  const fail = (problem: string, remedy: string, cause?: unknown): never => {
    throw new TlsMaterialError('inter_broker_tls.key_path', keyPath, problem, remedy, { cause });
  };
  const remedy = "Write the private key of this node's certificate in PEM to that file.";
  const text = key.toString('latin1');
  if (!text.includes('PRIVATE KEY-----')) return fail('holds no private key in PEM (-----BEGIN PRIVATE KEY-----)', remedy);
  if (/BEGIN ENCRYPTED|^Proc-Type:.*ENCRYPTED/m.test(text)) {
    const decrypt = `A node starts without anybody to ask: decrypt it with "openssl pkey -in ${keyPath} -out node.key" and protect the file.`;
    return fail('is encrypted with a pass phrase', decrypt);
  }
  try {
    return createPrivateKey(key);
  } catch (error) {
    return fail(`holds a private key that cannot be read: ${asProblem(error)}`, remedy, error);
  }
}

function authoritiesOf({ ca }: TlsFiles, { caCertPath }: TlsSettings): readonly X509Certificate[] {
  if (ca === undefined || caCertPath === undefined) return [];
  const remedy = 'Write the certificates of the authorities that sign the certificates of nodes, in PEM, to that file.';
  const fail = (problem: string, cause?: unknown): never => {
    throw new TlsMaterialError('inter_broker_tls.ca_cert_path', caCertPath, problem, remedy, { cause });
  };
  try {
    const authorities = certificatesIn(ca);
    if (authorities.length > 0) return authorities;
  } catch (error) {
    return fail(`holds a certificate that cannot be read: ${asProblem(error)}`, error);
  }
  return fail('holds no certificate in PEM (-----BEGIN CERTIFICATE-----)');
}

/** What every peer would refuse the certificate for. */
function checkUsable(leaf: X509Certificate, { certPath }: TlsSettings, nowMs: number): void {
  const fail = (problem: string): never => {
    const remedy = 'Have a certificate issued that peers accept, and write it and its key to the files of the settings.';
    throw new TlsMaterialError('inter_broker_tls.cert_path', certPath, problem, remedy);
  };
  if (Date.parse(leaf.validTo) <= nowMs) fail(`holds a certificate that expired on ${leaf.validTo}`);
  if (Date.parse(leaf.validFrom) > nowMs) fail(`holds a certificate that is not valid before ${leaf.validFrom}`);
  // Undefined where the certificate is for any use, though the types of Node do not say so.
  const usages = leaf.keyUsage as readonly string[] | undefined;
  const missing = NEEDED_USAGES.filter(([oid]) => usages?.includes(oid) === false).map(([, name]) => name);
  if (missing.length > 0) fail(`holds a certificate without the extended key usage ${missing.join(' and ')}`);
}

/** True where a certificate of the chain, or the last one's issuer, is among the authorities. */
function isIssuedBy(chain: readonly X509Certificate[], authorities: readonly X509Certificate[]): boolean {
  let current = chain[0];
  for (let depth = 0; current !== undefined && depth < CHAIN_LENGTH_MAX; depth++) {
    const one: X509Certificate = current;
    const isSigner = (other: X509Certificate): boolean => one.checkIssued(other) && one.verify(other.publicKey);
    if (authorities.some((authority) => authority.fingerprint256 === one.fingerprint256 || isSigner(authority))) return true;
    current = chain.find((other) => other !== one && isSigner(other));
  }
  return false;
}

/** `host` is the name or address by which others reach this node. */
function doubtsAbout(
  chain: readonly [X509Certificate, ...X509Certificate[]],
  authorities: readonly X509Certificate[],
  settings: TlsSettings,
  host: string,
): string[] {
  const [leaf] = chain;
  const doubts: string[] = [];
  const isNamed = net.isIP(host) === 0 ? leaf.checkHost(host) : leaf.checkIP(host);
  if (isNamed === undefined) {
    const names = leaf.subjectAltName === undefined ? 'no address at all' : leaf.subjectAltName;
    doubts.push(
      `the certificate of inter_broker_tls.cert_path is for ${names}, and peers reach this node as ${host} (advertised_inter_broker_addr): they will refuse it`,
    );
  }
  if (settings.verifyPeer && !isIssuedBy(chain, authorities)) {
    doubts.push(
      'the certificate of inter_broker_tls.cert_path is not signed by an authority of inter_broker_tls.ca_cert_path: peers that know the same authorities will refuse it',
    );
  }
  return doubts;
}

/**
 * Parses what was read and looks whether it fits together and can be used now. `host` is how others reach this node.
 *
 * @throws TlsMaterialError for the first thing that is wrong
 */
export function parseTlsMaterial(files: TlsFiles, settings: TlsSettings, host: string, nowMs: number): TlsMaterial {
  const chain = chainOf(files, settings);
  const key = keyOf(files, settings);
  const authorities = authoritiesOf(files, settings);
  const [leaf] = chain;
  if (!leaf.checkPrivateKey(key)) {
    const remedy = 'Both files must come from one request for a certificate: write the pair that belongs together.';
    const problem = `is not the key of the certificate in ${settings.certPath} (inter_broker_tls.cert_path)`;
    throw new TlsMaterialError('inter_broker_tls.key_path', settings.keyPath, problem, remedy);
  }
  if (settings.verifyPeer) checkUsable(leaf, settings, nowMs);
  const context: SecureContextOptions = {
    cert: files.cert,
    key: files.key,
    ...(files.ca && { ca: files.ca }),
    minVersion: `TLSv${settings.minVersion}`,
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    // A session that is resumed would not be verified anew.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  try {
    createSecureContext(context);
  } catch (error) {
    const remedy = 'OpenSSL does not take it; keys of RSA need 2048 bits, signatures SHA-256.';
    const problem = `cannot be used: ${asProblem(error)}`;
    throw new TlsMaterialError('inter_broker_tls.cert_path', settings.certPath, problem, remedy, { cause: error });
  }
  return {
    files,
    expiresAtMs: Date.parse(leaf.validTo),
    context,
    doubts: doubtsAbout(chain, authorities, settings, host),
  };
}
