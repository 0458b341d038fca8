import { inspect } from 'node:util';
import pino, { type DestinationStream, type Logger } from 'pino';
import type { NodeConfig } from '../config/schema';
import { LogOutput } from './log-output';

export interface LoggerOptions {
  readonly level: NodeConfig['logLevel'];
  readonly format: NodeConfig['logFormat'];
  readonly nodeId: number;
  /** Where lines go; standard output when absent. */
  readonly destination?: DestinationStream;
  /** Colours in the pretty format. */
  readonly isColoured?: boolean;
}

const STDOUT = 1;
/** Lines that wait for a reader which does not read are dropped beyond this, rather than holding up the node. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024;

const LEVELS: Readonly<Record<string, { readonly word: string; readonly colour: number }>> = {
  trace: { word: 'TRACE', colour: 90 },
  debug: { word: 'DEBUG', colour: 36 },
  info: { word: 'INFO ', colour: 32 },
  warn: { word: 'WARN ', colour: 33 },
  error: { word: 'ERROR', colour: 31 },
  fatal: { word: 'FATAL', colour: 35 },
};

/** Fields that have a place of their own in a pretty line, or say nothing to a person in front of one node. */
const PLACED: ReadonlySet<string> = new Set(['level', 'time', 'msg', 'node', 'role', 'component', 'err']);

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function fieldText(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@,+-]+$/.test(value) ? value : JSON.stringify(value);
  return inspect(value, { breakLength: Infinity, depth: 4 });
}

/** `12:34:56.789 INFO  storage: message  key=value`, and an error's stack on the lines after it. */
export function prettyLine(line: string, isColoured: boolean): string {
  const paint = (colour: number, text: string): string => (isColoured ? `\u001b[${colour}m${text}\u001b[0m` : text);
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return line;
  }
  if (!isRecord(entry)) return line;
  const level = LEVELS[String(entry['level'])] ?? { word: String(entry['level']), colour: 0 };
  const time = String(entry['time']).slice(11, 23);
  const origin = [entry['role'], entry['component']].filter((part) => typeof part === 'string').join('/');
  const fields = Object.entries(entry)
    .filter(([key]) => !PLACED.has(key))
    .map(([key, value]) => paint(90, `${key}=${fieldText(value)}`));
  const head = `${paint(90, time)} ${paint(level.colour, level.word)} ${origin === '' ? '' : `${origin}: `}${String(entry['msg'] ?? '')}`;
  const error = entry['err'];
  const stack = isRecord(error) ? `\n${String(error['stack'] ?? error['message'] ?? '')}` : '';
  return `${[head, ...fields].join(' ')}${stack}\n`;
}

function prettyDestination(to: DestinationStream & { flushSync?(): void }, isColoured: boolean): DestinationStream {
  return {
    write: (line: string) => to.write(prettyLine(line, isColoured)),
    // pino calls it after a fatal line and from `flush`.
    ...{ flushSync: () => to.flushSync?.() },
  };
}

function standardOutput(): LogOutput {
  const output = new LogOutput({ fd: STDOUT, waitingBytesMax: WAITING_BYTES_MAX });
  process.on('exit', () => output.flushSync());
  return output;
}

/** The log of a node: JSON lines with level, ISO time, node id and message, or the same for people. */
export function createLogger({ level, format, nodeId, destination, isColoured }: LoggerOptions): Logger {
  const to = destination ?? standardOutput();
  const coloured = isColoured ?? (process.stdout.isTTY && process.env['NO_COLOR'] === undefined);
  return pino(
    {
      level,
      base: { node: nodeId },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    format === 'pretty' ? prettyDestination(to, coloured) : to,
  );
}
