import { open } from 'node:fs/promises';
import { extname } from 'node:path';
import type { ConfigProblem, GivenValue } from './config-problem';
import { nearestKey } from './nearest-key';
import { ALL_SETTINGS, type AnySetting, type SettingName } from './schema';

const FILE_BYTES_MAX = 1024 * 1024;

type Table = Readonly<Record<string, unknown>>;

interface FileValues {
  readonly values: ReadonlyMap<SettingName, GivenValue>;
  readonly problems: readonly ConfigProblem[];
}

const SETTING_BY_KEY: ReadonlyMap<string, AnySetting> = new Map(ALL_SETTINGS.map((setting) => [setting.name, setting]));
const TABLES: ReadonlySet<string> = new Set(
  ALL_SETTINGS.filter(({ name }) => name.includes('.')).map(({ name }) => name.slice(0, name.indexOf('.'))),
);

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The keys of a file with those of the tables that we know flattened to `table.key`. */
function flatten(file: Table): readonly (readonly [string, unknown])[] {
  return Object.entries(file).flatMap(([key, value]): [string, unknown][] => {
    if (!TABLES.has(key) || !isTable(value)) return [[key, value]];
    return Object.entries(value).map(([inner, innerValue]) => [`${key}.${inner}`, innerValue]);
  });
}

function unknownKeyMessage(key: string): string {
  const nearest = nearestKey(key, SETTING_BY_KEY.keys());
  return `is no setting${nearest === undefined ? '; remove it' : `; did you mean ${nearest}?`}`;
}

function readTable(path: string, file: Table): FileValues {
  const values = new Map<SettingName, GivenValue>();
  const problems: ConfigProblem[] = [];
  for (const [key, raw] of flatten(file)) {
    const given: GivenValue = { raw, origin: { kind: 'file', path, key } };
    const setting = SETTING_BY_KEY.get(key);
    if (setting === undefined) {
      problems.push({ subject: key, given, message: TABLES.has(key) ? 'is a table of settings' : unknownKeyMessage(key) });
    } else if (setting.notInFile === true) {
      problems.push({ subject: key, given, message: `can only be given by ${setting.flagNames[0]} or ${setting.envNames[0]}` });
    } else if (raw === null) {
      problems.push({ subject: key, given, message: 'has no value; give it one or remove the line' });
    } else {
      values.set(setting.name, given);
    }
  }
  return { values, problems };
}

async function readText(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > FILE_BYTES_MAX) throw new Error(`is larger than ${FILE_BYTES_MAX} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** The parsers are loaded only when there is a file to parse: they would cost every start their time. */
async function parse(path: string, text: string): Promise<unknown> {
  switch (extname(path).toLowerCase()) {
    case '.toml':
      return (await import('smol-toml')).parse(text);
    case '.yaml':
    case '.yml':
    case '.json':
      // A CommonJS module: in a bundle its exports are found under `default` only.
      return (await import('yaml')).default.parse(text, { maxAliasCount: 0 }) ?? {};
    default:
      throw new Error('has an unknown format; its name must end in .toml, .yaml, .yml or .json');
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'does not exist';
    case 'EACCES':
      return 'may not be read by this user';
    case 'EISDIR':
      return 'is a directory; name a file';
    default:
      return error.message.trim().replace(/\n/g, '\n    ');
  }
}

/** Reads a TOML, YAML or JSON file; what is wrong with the file as a whole is a problem of the setting `config`. */
export async function readConfigFile(path: string, configOrigin: GivenValue): Promise<FileValues> {
  try {
    const file = await parse(path, await readText(path));
    if (!isTable(file)) throw new Error('does not hold settings at its top level');
    return readTable(path, file);
  } catch (error) {
    return { values: new Map(), problems: [{ subject: 'config', given: configOrigin, message: reasonOf(error) }] };
  }
}
