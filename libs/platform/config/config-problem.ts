import type { AnySetting } from './schema';

/** Where a value came from. */
export type Origin =
  | { readonly kind: 'flag'; readonly flag: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string; readonly key: string }
  | { readonly kind: 'default' };

/** A value as somebody gave it, before it is checked. */
export interface GivenValue {
  readonly raw: unknown;
  readonly origin: Origin;
}

/** Something that is wrong with the configuration, told so that it can be mended without reading code. */
export interface ConfigProblem {
  /** The setting's name, or the unknown key as it was written. */
  readonly subject: string;
  readonly given?: GivenValue;
  /** What would be right. */
  readonly message: string;
}

const SHOWN_LENGTH_MAX = 80;

export function describeOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return `flag ${origin.flag}`;
    case 'env':
      return `environment variable ${origin.name}`;
    case 'file':
      return `${origin.path}: ${origin.key}`;
    case 'default':
      return 'default';
  }
}

function jsonOf(raw: unknown): string {
  if (raw === undefined) return 'nothing';
  if (typeof raw === 'bigint') return raw.toString();
  return JSON.stringify(raw) ?? typeof raw;
}

/** The value as it was written, shortened, on one line. */
export function showRaw(raw: unknown): string {
  const text = jsonOf(raw);
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text;
}

/** The name by which the reader knows a setting: as they wrote it. */
export function nameAsGiven(setting: AnySetting, origin: Origin): string {
  switch (origin.kind) {
    case 'flag':
      return origin.flag;
    case 'env':
      return origin.name;
    default:
      return setting.name;
  }
}

function formatProblem({ subject, given, message }: ConfigProblem): string {
  if (given === undefined) return `  ${subject}\n    ${message}`;
  const value = given.raw === undefined ? '' : ` = ${showRaw(given.raw)}`;
  return `  ${subject}${value}   (${describeOrigin(given.origin)})\n    ${message}`;
}

/** All problems at once, for a terminal. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const list = problems.map(formatProblem).join('\n');
  return `streamline: the configuration has ${count}\n\n${list}\n\nstreamline --help lists all settings; streamline config shows what is in effect.\n`;
}
