import { describeOrigin } from './config-problem';
import type { ResolvedConfig } from './resolve-config';
import { ALL_SETTINGS, type AnySetting } from './schema';

const COLUMN_MAX = 48;

function tomlValue(setting: AnySetting, value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = setting.kind.format(value);
  if (!setting.kind.isList) return JSON.stringify(text);
  return text === ''
    ? '[]'
    : `[${text
        .split(',')
        .map((part) => JSON.stringify(part))
        .join(', ')}]`;
}

/**
 * The effective configuration as a TOML file, with the origin of each value in a comment. What is not set, and what a
 * file cannot hold, is commented out.
 */
export function effectiveConfigText({ config, origins }: ResolvedConfig): string {
  const lines: string[] = [];
  let section = '';
  for (const setting of ALL_SETTINGS) {
    if (setting.section !== section) lines.push(...(section === '' ? [] : ['']), `# ${setting.section}`);
    section = setting.section;
    const value = config[setting.key];
    if (value === undefined) {
      lines.push(`# ${setting.name} is not set`);
      continue;
    }
    const assignment = `${setting.notInFile === true ? '# ' : ''}${setting.name} = ${tomlValue(setting, value)}`;
    lines.push(`${assignment.padEnd(COLUMN_MAX)} # ${describeOrigin(origins.get(setting.name) ?? { kind: 'default' })}`);
  }
  return `${lines.join('\n')}\n`;
}
