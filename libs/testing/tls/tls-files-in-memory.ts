import type { ReadFile } from '@streamline/platform/security/tls-files';
import type { IssuedCertificate } from './test-authority';

/** Where certificate, key and authorities of a node stand among `TlsFilesInMemory`. */
export const TLS_PATHS = { certPath: '/tls/node.pem', keyPath: '/tls/node.key', caCertPath: '/tls/ca.pem' } as const;

/** Files that a test writes, and that fail as those of a disk do. */
export class TlsFilesInMemory {
  readonly content = new Map<string, string>();
  /** How many files were read. */
  reads = 0;

  /** Writes a node's files: its certificate and key, and whom it trusts. */
  constructor(issued: IssuedCertificate, authorities: string) {
    this.write(issued, authorities);
  }

  write({ cert, key }: IssuedCertificate, authorities?: string): void {
    this.content.set(TLS_PATHS.certPath, cert).set(TLS_PATHS.keyPath, key);
    if (authorities !== undefined) this.content.set(TLS_PATHS.caCertPath, authorities);
  }

  /** Reading it fails with a code such as `EACCES`. */
  fail(path: string, code: string): void {
    this.content.set(path, code);
  }

  readonly readFile: ReadFile = (path) => {
    this.reads++;
    const content = this.content.get(path) ?? 'ENOENT';
    if (/^E[A-Z]+$/.test(content)) return Promise.reject(Object.assign(new Error(`${content}: ${path}`), { code: content }));
    return Promise.resolve(Buffer.from(content));
  };
}
