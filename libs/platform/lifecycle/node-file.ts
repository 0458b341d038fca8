import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import * as z from 'zod/mini';
import { type ClusterId, type DirectoryId, isUuidText, type NodeId } from '@streamline/core/types/ids';
import { ExitCode } from '../config/exit-codes';
import { replaceFile } from './durable-file';
import { StartupError } from './startup-error';

/** Version of the layout of a data directory that this build writes, and the newest that it reads. */
export const FORMAT_VERSION = 1;

const FILE_NAME = 'node.json';
const FILE_BYTES_MAX = 64 * 1024;

/** What a data directory belongs to. Written once when it is formatted; the cluster id when it first belongs to one. */
export interface NodeFile {
  readonly formatVersion: number;
  readonly nodeId: NodeId;
  readonly directoryId: DirectoryId;
  readonly clusterId: ClusterId | null;
}

const uuidText = z.string().check(z.refine(isUuidText));
const nodeFileSchema = z.object({
  formatVersion: z.int().check(z.minimum(1)),
  nodeId: z.int().check(z.minimum(1), z.maximum(2_147_483_647)),
  directoryId: uuidText,
  clusterId: z.nullable(uuidText),
  checksum: z.string(),
});

function checksum({ formatVersion, nodeId, directoryId, clusterId }: NodeFile): string {
  return crc32(JSON.stringify([formatVersion, nodeId, directoryId, clusterId]))
    .toString(16)
    .padStart(8, '0');
}

/** 22 characters of url-safe base64; never with a leading "-", which tools take for a flag (as Kafka does). */
export function newUuidText(): string {
  for (;;) {
    const text = randomBytes(16).toString('base64url');
    if (!text.startsWith('-')) return text;
  }
}

function damaged(path: string, reason: string): StartupError {
  return new StartupError(
    ExitCode.DIRECTORY_UNREADABLE,
    `${path} ${reason}`,
    'Restore this file from a copy of the directory. Do not delete it: without it the node cannot know whose data this is.',
  );
}

function parse(path: string, text: string): NodeFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw damaged(path, `is damaged: ${error instanceof Error ? error.message : 'no JSON'}`);
  }
  const version = z.safeParse(z.object({ formatVersion: z.int() }), json);
  if (version.success && version.data.formatVersion > FORMAT_VERSION) {
    throw new StartupError(
      ExitCode.DIRECTORY_UNREADABLE,
      `${path} has format version ${version.data.formatVersion}; this build reads up to ${FORMAT_VERSION}`,
      'A newer version of Streamline wrote this directory: start that one, or a later one.',
    );
  }
  const parsed = z.safeParse(nodeFileSchema, json);
  if (!parsed.success) {
    throw damaged(path, `is damaged: ${parsed.error.issues[0]?.path.join('.') || 'its content'} is not what this build writes`);
  }
  const { formatVersion, nodeId, directoryId, clusterId } = parsed.data;
  const file = {
    formatVersion,
    nodeId: nodeId as NodeId,
    directoryId: directoryId as DirectoryId,
    clusterId: clusterId as ClusterId | null,
  };
  if (checksum(file) !== parsed.data.checksum) throw damaged(path, 'is damaged: its checksum does not fit');
  return file;
}

/** Undefined where the directory was never formatted. */
export async function readNodeFile(directory: string): Promise<NodeFile | undefined> {
  const path = join(directory, FILE_NAME);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'EISDIR') throw damaged(path, 'is damaged: it is a directory');
    throw error;
  }
  if (text.length > FILE_BYTES_MAX) throw damaged(path, 'is damaged: too large');
  return parse(path, text);
}

/** Durable when resolved. */
export function writeNodeFile(directory: string, file: NodeFile): Promise<void> {
  return replaceFile(join(directory, FILE_NAME), `${JSON.stringify({ ...file, checksum: checksum(file) }, undefined, 2)}\n`);
}
