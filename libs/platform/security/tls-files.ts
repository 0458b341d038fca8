import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { TlsMaterialError } from './tls-material-error';
import type { TlsSettingName, TlsSettings } from './tls-settings';

/** More than any chain of certificates takes. */
const FILE_BYTES_MAX = 1024 * 1024;

/** The content of a file. Fails as `fs` does. */
export type ReadFile = (path: string) => Promise<Buffer>;

/** What the files of the settings hold, not looked into. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Undefined where peers are not verified. */
  readonly ca: Buffer | undefined;
}

/** The text ends where the file is longer than any of these is; that is then found to be no PEM. */
export const readFileFromDisk: ReadFile = async (path) => {
  // Opening a pipe would wait for somebody to write to it.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(FILE_BYTES_MAX), 0, FILE_BYTES_MAX, 0);
    return Buffer.from(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
};

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'does not exist';
    case 'ENOTDIR':
      return 'does not exist: a part of its path is not a directory';
    case 'EACCES':
      return `may not be read by this user${process.getuid === undefined ? '' : ` (uid ${process.getuid()})`}`;
    case 'EISDIR':
      return 'is a directory';
    default:
      return `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function read(setting: TlsSettingName, path: string, readFile: ReadFile): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const remedy = `Put the file there, readable for the user that runs the node, or correct ${setting}.`;
    throw new TlsMaterialError(setting, path, whyUnreadable(error), remedy, { cause: error });
  }
}

/** @throws TlsMaterialError for a file that cannot be read */
export async function readTlsFiles({ certPath, keyPath, caCertPath }: TlsSettings, readFile: ReadFile): Promise<TlsFiles> {
  // One after the other, so that the first setting that is wrong is the one that is named.
  const cert = await read('inter_broker_tls.cert_path', certPath, readFile);
  const key = await read('inter_broker_tls.key_path', keyPath, readFile);
  const ca = caCertPath === undefined ? undefined : await read('inter_broker_tls.ca_cert_path', caCertPath, readFile);
  return { cert, key, ca };
}

export function areSameFiles(one: TlsFiles, other: TlsFiles): boolean {
  const isSameCa = one.ca === undefined || other.ca === undefined ? one.ca === other.ca : one.ca.equals(other.ca);
  return isSameCa && one.cert.equals(other.cert) && one.key.equals(other.key);
}
