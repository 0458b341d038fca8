import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `node --cpu-prof` writes, as far as it is used here; times in microseconds on the monotonic clock. */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
    readonly columnNumber: number;
  };
}

export interface FunctionTime {
  /** `name file:line`. */
  readonly name: string;
  readonly selfMs: number;
  /** Of the time in which the main thread did anything. */
  readonly share: number;
}

export interface ProfileSummary {
  /** How much of the window the main thread was busy. */
  readonly busyShare: number;
  readonly functions: readonly FunctionTime[];
}

const IDLE = '(idle)';

/** Adds up the main thread's self times between two moments of the monotonic clock (milliseconds), longest first. */
export function summarize(
  file: string,
  window: { readonly startedAtMs: number; readonly endedAtMs: number },
  most: number,
): ProfileSummary {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;
  const selfMicros = selfTimes(profile, window.startedAtMs * 1000, window.endedAtMs * 1000);
  const names = new FrameNames();
  const byName = new Map<string, number>();
  let idle = 0;
  let busy = 0;
  for (const node of profile.nodes) {
    const micros = selfMicros.get(node.id) ?? 0;
    if (micros === 0) continue;
    if (node.callFrame.functionName === IDLE) {
      idle += micros;
      continue;
    }
    busy += micros;
    const name = names.of(node);
    byName.set(name, (byName.get(name) ?? 0) + micros);
  }
  const functions = [...byName]
    .sort(([, a], [, b]) => b - a)
    .slice(0, most)
    .map(([name, micros]) => ({ name, selfMs: micros / 1000, share: micros / busy }));
  return { busyShare: busy / (busy + idle), functions };
}

function selfTimes(profile: CpuProfile, from: number, until: number): Map<number, number> {
  const result = new Map<number, number>();
  let at = profile.startTime;
  profile.samples.forEach((node, index) => {
    at += profile.timeDeltas[index] ?? 0;
    const micros = profile.timeDeltas[index + 1] ?? 0;
    if (at >= from && at < until) result.set(node, (result.get(node) ?? 0) + micros);
  });
  return result;
}

/** Names functions by where they stand in the sources, as far as the bundle's source maps tell. */
class FrameNames {
  private readonly maps = new Map<string, SourceMap | undefined>();

  of({ callFrame }: ProfileNode): string {
    const name = callFrame.functionName === '' ? '(anonymous)' : callFrame.functionName;
    if (callFrame.url === '') return name;
    if (!callFrame.url.startsWith('file:')) return `${name} ${callFrame.url}`;
    const file = fileURLToPath(callFrame.url);
    const entry = this.mapOf(file)?.findEntry(callFrame.lineNumber, callFrame.columnNumber);
    if (entry === undefined || !('originalSource' in entry)) return `${name} ${path.basename(file)}:${callFrame.lineNumber + 1}`;
    const source = path.resolve(path.dirname(file), entry.originalSource.replace(/^file:\/\//, ''));
    return `${name} ${shortened(source)}:${entry.originalLine + 1}`;
  }

  private mapOf(file: string): SourceMap | undefined {
    if (!this.maps.has(file)) this.maps.set(file, readMap(`${file}.map`));
    return this.maps.get(file);
  }
}

function readMap(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** From the last `libs`, `services` or `node_modules` on. */
function shortened(file: string): string {
  const match = /.*\/((?:node_modules|libs|services)\/.*)$/.exec(file);
  return match?.[1] ?? file;
}
