import { existsSync } from 'node:fs';
import type { ResolvedConfig } from './resolve-config';
import { ROLES } from './roles';
import { ALL_SETTINGS, type SettingName } from './schema';

/** What the command says anew, whatever said it before. */
const SAID_ANEW: ReadonlySet<SettingName> = new Set<SettingName>(['node_id', 'seed_nodes', 'data_dir', 'journal_dir']);

/**
 * How a node that has no place in its cluster any more comes back, under its old id and without its data: the sentence ends with a
 * command that can be run as it stands. It has the flags that the process was started with; what a file or the environment says stays
 * there, and the variables are named.
 *
 * @param memberAddresses of members that are to be asked, host:port.
 * @param isThere whether something is at this path: the command names directories that do not exist.
 */
export function wayBack(
  { config, origins }: Pick<ResolvedConfig, 'config' | 'origins'>,
  memberAddresses: readonly string[],
  isThere: (path: string) => boolean = existsSync,
): string {
  const seeds = memberAddresses.length === 0 ? '<a member>' : memberAddresses.join(',');
  const words = ['streamline', '--cluster-node-id', String(config.nodeId), '--seed-nodes', seeds];
  words.push('--data-dir', freePath(config.dataDir, isThere));
  if (config.journalDir !== undefined) words.push('--journal-dir', freePath(config.journalDir, isThere));
  const variables: string[] = [];
  for (const { name, key, kind } of ALL_SETTINGS) {
    const origin = origins.get(name);
    if (SAID_ANEW.has(name)) continue;
    if (origin?.kind === 'env') variables.push(origin.name);
    if (origin?.kind === 'flag') words.push(origin.flag, kind.format(config[key]));
  }
  const processes = config.roles.length < ROLES.length ? ', the same for all of its processes' : '';
  const environment = variables.length === 0 ? '' : `, and ${variables.join(', ')} of its environment`;
  return `To join again it needs an empty directory${processes}${environment}: ${words.map(shellWord).join(' ')}`;
}

function freePath(path: string, isThere: (path: string) => boolean): string {
  let number = 2;
  while (isThere(`${path}-${number}`)) number += 1;
  return `${path}-${number}`;
}

/** A word as a shell reads it back. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
