import { Command, Option } from 'commander';
import type { ConfigProblem, GivenValue } from './config-problem';
import { defaultText } from './default-text';
import { nearestKey } from './nearest-key';
import { ALL_SETTINGS, type AnySetting, type SettingName } from './schema';

export interface CommandFlags {
  readonly values: ReadonlyMap<SettingName, GivenValue>;
  readonly problems: readonly ConfigProblem[];
  /** The words that belong to no flag: a command and what it takes. */
  readonly operands: readonly string[];
  readonly wantsHelp: boolean;
  readonly wantsVersion: boolean;
}

const HELP_EXAMPLES = `
Examples:
  streamline --profile development                 a node for this machine only, with readable logs
  streamline --data-dir /var/lib/streamline        a node that keeps its data there
  streamline --config streamline.toml              settings from a TOML or YAML file
  streamline config --config streamline.toml       what would be in effect, and where each value comes from
  streamline cluster status                        how the node on this machine is and how it sees its cluster

Each setting is also an environment variable (STREAMLINE_DATA_DIR) and a key in a file (data_dir).
A flag wins over the environment, the environment over the file. docs/configuration.md has all of it.
`;

function optionOf(setting: AnySetting): Option {
  const [shown, ...aliases] = setting.flagNames;
  const shownDefault = defaultText(setting);
  const suffix = shownDefault === '' ? '' : ` (default: ${shownDefault})`;
  // The value is optional to the parser only, so that a missing one is reported with all other problems.
  return new Option(`${[...aliases, shown].join(', ')} [value]`, `${setting.doc}${suffix}`).helpGroup(`${setting.section}:`);
}

function buildProgram(): Command {
  const program = new Command('streamline')
    .description('A Kafka-protocol streaming platform that clusters itself. Without a command it starts a node.')
    .usage(
      '[settings]\n       streamline config [settings]   print the effective configuration\n       streamline cluster --help      show the cluster, add and remove its members',
    )
    .helpOption(false)
    .allowUnknownOption()
    .configureHelp({ optionTerm: (option) => option.flags.replace('[value]', '<value>') })
    .addHelpText('after', HELP_EXAMPLES);
  program.addOption(new Option('-h, --help', 'print this').helpGroup('About:'));
  program.addOption(new Option('-V, --version', 'print the version').helpGroup('About:'));
  for (const setting of ALL_SETTINGS) program.addOption(optionOf(setting));
  return program;
}

export function helpText(): string {
  const program = buildProgram();
  let text = '';
  program.configureOutput({ writeOut: (part) => (text += part) });
  program.outputHelp();
  return text;
}

function flagAsWritten(setting: AnySetting, args: readonly string[]): string {
  const written = setting.flagNames.find((flag) => args.some((arg) => arg === flag || arg.startsWith(`${flag}=`)));
  return written ?? setting.flagNames[0];
}

function unknownFlagProblems(unknown: readonly string[]): ConfigProblem[] {
  const known = ['--help', '--version', ...ALL_SETTINGS.flatMap(({ flagNames }) => flagNames)];
  return unknown
    .filter((word) => /^-./.test(word) && word !== '--')
    .map((word) => {
      const flag = word.split('=', 1)[0] ?? word;
      const nearest = nearestKey(flag, known);
      return { subject: flag, message: `is no flag${nearest === undefined ? '' : `; did you mean ${nearest}?`}` };
    });
}

/** Reads everything behind `streamline`; problems are collected, never thrown. */
export function readCommandFlags(args: readonly string[]): CommandFlags {
  const program = buildProgram();
  const values = new Map<SettingName, GivenValue>();
  const problems: ConfigProblem[] = [];
  for (const setting of ALL_SETTINGS) {
    const name = setting.flagNames[0].slice(2);
    program.on(`option:${name}`, (text: string | null) => {
      const origin = { kind: 'flag', flag: flagAsWritten(setting, args) } as const;
      const raw = text === null ? (setting.kind.isSwitch ? true : undefined) : setting.kind.fromText(text);
      const before = values.get(setting.name);
      if (raw === undefined) {
        problems.push({ subject: origin.flag, message: `needs a value: ${setting.kind.expected}` });
      } else if (before === undefined) {
        values.set(setting.name, { raw, origin });
      } else if (setting.kind.isList && Array.isArray(before.raw) && Array.isArray(raw)) {
        values.set(setting.name, { raw: [...before.raw, ...raw], origin });
      } else if (before.raw !== raw) {
        problems.push({
          subject: origin.flag,
          given: { raw, origin },
          message: 'is given twice with different values; give it once',
        });
      }
    });
  }
  const { operands, unknown } = program.parseOptions([...args]);
  const { help, version } = program.opts<{ help?: boolean; version?: boolean }>();
  return {
    values,
    problems: [...problems, ...unknownFlagProblems(unknown)],
    operands,
    wantsHelp: help === true,
    wantsVersion: version === true,
  };
}
