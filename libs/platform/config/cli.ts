import { readCommandFlags, helpText, type CommandFlags } from './command-flags';
import { formatProblems, type ConfigProblem, type GivenValue } from './config-problem';
import { effectiveConfigText } from './config-text';
import { configurationPage, exitCodesPage } from './docs';
import { readEnvironment } from './environment';
import { ExitCode } from './exit-codes';
import { nearestKey } from './nearest-key';
import { type ConfigLayer, resolveConfig, type ResolvedConfig } from './resolve-config';
import type { NodeConfig } from './schema';

export interface CommandLine {
  /** Everything behind the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
}

export type CommandOutcome =
  | { readonly kind: 'start'; readonly config: NodeConfig; readonly resolved: ResolvedConfig }
  /** `streamline cluster ...`, with everything behind these words. */
  | { readonly kind: 'cluster'; readonly args: readonly string[] }
  /** Print (standard output for OK, standard error otherwise) and exit. */
  | { readonly kind: 'print'; readonly text: string; readonly exitCode: ExitCode };

const CLUSTER = 'cluster';
const COMMANDS = ['config', 'docs', CLUSTER] as const;
const PAGES: Readonly<Record<string, () => string>> = { configuration: configurationPage, 'exit-codes': exitCodesPage };

function print(text: string, exitCode: ExitCode = ExitCode.OK): CommandOutcome {
  return { kind: 'print', text, exitCode };
}

function refuse(problems: readonly ConfigProblem[]): CommandOutcome {
  return print(formatProblems(problems), ExitCode.USAGE);
}

async function fileLayer(layers: readonly ConfigLayer[], problems: ConfigProblem[]): Promise<ConfigLayer> {
  const given: GivenValue | undefined = layers.find((layer) => layer.has('config'))?.get('config');
  if (given === undefined || typeof given.raw !== 'string' || given.raw === '') return new Map();
  const { readConfigFile } = await import('./config-file');
  const file = await readConfigFile(given.raw, given);
  problems.push(...file.problems);
  return file.values;
}

/** Flags, environment and file together; used by the command, and by whoever starts a node without one. */
export async function loadConfig(
  flags: Pick<CommandFlags, 'values' | 'problems'>,
  env: CommandLine['env'],
): Promise<ResolvedConfig> {
  const environment = readEnvironment(env);
  const problems = [...flags.problems, ...environment.problems];
  const layers = [flags.values, environment.values];
  const resolved = resolveConfig([...layers, await fileLayer(layers, problems)]);
  return { ...resolved, problems: [...problems, ...resolved.problems] };
}

function unknownCommand(word: string): CommandOutcome {
  if (word === CLUSTER) return refuse([{ subject: word, message: 'goes first: streamline cluster --help lists what it takes' }]);
  const nearest = nearestKey(word, COMMANDS);
  const all = 'there are config, docs and cluster (streamline cluster --help); without one a node is started';
  const hint = nearest === undefined ? all : `did you mean "${nearest}"?`;
  return refuse([{ subject: word, message: `is no command of streamline; ${hint}` }]);
}

function docsPage(name: string | undefined): CommandOutcome {
  const page = name === undefined ? undefined : PAGES[name];
  if (page !== undefined) return print(page());
  return refuse([{ subject: 'docs', message: `needs a page: ${Object.keys(PAGES).join(' or ')}` }]);
}

/** What `streamline ...` is asked to do. Reads the configuration file, and nothing else, from outside. */
export async function readCommandLine({ args, env, version }: CommandLine): Promise<CommandOutcome> {
  // It has flags of its own.
  if (args[0] === CLUSTER) return { kind: 'cluster', args: args.slice(1) };
  const flags = readCommandFlags(args);
  if (flags.wantsHelp) return print(helpText());
  if (flags.wantsVersion) return print(`${version}\n`);
  const [command, ...rest] = flags.operands;
  if (command === 'docs') return docsPage(rest[0]);
  const stray = command === 'config' ? rest[0] : command;
  if (stray !== undefined) return unknownCommand(stray);
  const resolved = await loadConfig(flags, env);
  if (resolved.problems.length > 0) return refuse(resolved.problems);
  if (command === 'config') return print(effectiveConfigText(resolved));
  return { kind: 'start', config: resolved.config, resolved };
}
