import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { FormationRefusedError } from '@streamline/runtime/controller/formation';
import { ExitCode } from '../config/exit-codes';
import { replaceFile } from './durable-file';
import { StartupError } from './startup-error';

const FILE_NAME = 'retired.json';
const FORMAT_VERSION = 1;

const schema = z.object({ formatVersion: z.literal(FORMAT_VERSION), problem: z.string(), remedy: z.string() });

/** Why the cluster has no place for the node of this controller's directory; undefined where nothing is known of that. */
export async function readRetirement(directory: string): Promise<FormationRefusedError | undefined> {
  const path = join(directory, FILE_NAME);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const { problem, remedy } = parse(path, text);
  return new FormationRefusedError(problem, remedy);
}

/** Durable when resolved; the node does not start on this directory again. */
export function writeRetirement(directory: string, { message, remedy }: FormationRefusedError): Promise<void> {
  const content = { formatVersion: FORMAT_VERSION, problem: message, remedy };
  return replaceFile(join(directory, FILE_NAME), `${JSON.stringify(content, undefined, 2)}\n`);
}

function parse(path: string, text: string): z.infer<typeof schema> {
  try {
    return z.parse(schema, JSON.parse(text));
  } catch (error) {
    const remedy = 'The cluster had no place for this node: start it on an empty --data-dir with --seed-nodes.';
    throw new StartupError(ExitCode.CLUSTER_REFUSED, `${path} is damaged`, remedy, { cause: error });
  }
}
