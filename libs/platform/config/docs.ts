import { defaultText } from './default-text';
import { CLUSTER_EXIT_DOCS, ClusterExit } from './cluster-exit';
import { ExitCode, exitCodeDocs } from './exit-codes';
import { ALL_SETTINGS, type AnySetting } from './schema';
import type { SectionName } from './setting';

const GENERATED = '<!-- Generated from the schema in libs/platform/config by `streamline docs`: edit that, not this. -->';

function cell(text: string): string {
  return text.replace(/\|/g, '\\|');
}

function settingRow(setting: AnySetting): string {
  const names = `\`${setting.name}\`<br>${setting.flagNames.map((flag) => `\`${flag}\``).join(' ')}`;
  const shownDefault = defaultText(setting);
  const remarks = [
    setting.doc,
    `Takes ${setting.kind.expected}.`,
    setting.scope === 'cluster' ? 'For the whole cluster: set when it is formed.' : '',
    setting.notInFile === true ? 'Not in a file.' : '',
  ];
  const text = remarks.filter((remark) => remark !== '').join(' ');
  return `| ${names} | ${shownDefault === '' ? '—' : `\`${cell(shownDefault)}\``} | ${cell(text)} |`;
}

function sectionText(section: SectionName): string {
  const rows = ALL_SETTINGS.filter((setting) => setting.section === section).map(settingRow);
  return [`## ${section}`, '', '| Setting, flag | Default | What it does |', '|---|---|---|', ...rows, ''].join('\n');
}

/** docs/configuration.md */
export function configurationPage(): string {
  const sections = [...new Set(ALL_SETTINGS.map(({ section }) => section))];
  const intro = `# Configuration

${GENERATED}

A node runs with nothing configured. Each setting below can be given in three ways; the first one that has it wins:

1. a flag, \`--data-dir /data\` or \`--data-dir=/data\`;
2. an environment variable, \`STREAMLINE_\` and the setting's name in capitals: \`STREAMLINE_DATA_DIR\`,
   \`STREAMLINE_INTER_BROKER_TLS_CERT_PATH\` (an empty one counts as not set);
3. a TOML, YAML or JSON file named by \`--config\`, with the setting's name as key; \`inter_broker_tls.cert_path\` is the
   key \`cert_path\` in the table \`inter_broker_tls\`.

Lists are separated by commas in a flag (which may also be repeated) and in a variable, and are arrays in a file. Numbers
have no units. \`streamline config\` prints what is in effect and where each value comes from, as a file that can be used
again. All mistakes are reported at once, with the value, its origin and what would be right; an unknown name is a mistake.
`;
  return `${intro}\n${sections.map(sectionText).join('\n')}`;
}

/** docs/exit-codes.md */
export function exitCodesPage(): string {
  const shared: ReadonlySet<number> = new Set(Object.values(ExitCode));
  const clusterNames = (Object.keys(ClusterExit) as (keyof typeof ClusterExit)[]).filter(
    (name) => !shared.has(ClusterExit[name]),
  );
  const rows = exitCodeDocs().map(({ code, meaning, remedy }) => `| ${code} | ${cell(meaning)} | ${cell(remedy)} |`);
  return [
    '# Exit codes',
    '',
    GENERATED,
    '',
    'What `streamline` ends with. A service manager should start again after any code but 0, 2 and 4.',
    '',
    '| Code | Meaning | What to do |',
    '|---|---|---|',
    ...rows,
    '',
    '`streamline cluster` ends with 0, 1, 2 or one of these ([cli.md](cli.md)):',
    '',
    '| Code | Meaning |',
    '|---|---|',
    ...clusterNames.map((name) => `| ${ClusterExit[name]} | ${cell(CLUSTER_EXIT_DOCS[name])} |`),
    '',
  ].join('\n');
}
