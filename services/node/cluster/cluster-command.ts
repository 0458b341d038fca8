import { setTimeout as pause } from 'node:timers/promises';
import { type Address, isWildcardHost, parseAddress } from '@streamline/platform/config/address';
import { CommanderError } from 'commander';
import { ClusterExit } from '@streamline/platform/config/cluster-exit';
import { ClusterCommandError } from './cluster-command-error';
import { AdminClient } from './admin-client';
import type { ClusterContext } from './context';
import { type Action, clusterProgram, type CommonOptions } from './program';
import type { RecoverOptions } from './recover';

export interface ClusterCommandLine {
  /** Everything behind `streamline cluster`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  /** For standard error. */
  note(text: string): void;
  /** A line from standard input; undefined where there is none. Without it nothing is ever confirmed. */
  ask?(question: string): Promise<string | undefined>;
}

/** What a spec replaces. */
export type ClusterSurroundings = Pick<ClusterContext, 'nowMs' | 'pause'>;

const REAL: ClusterSurroundings = { nowMs: () => performance.now(), pause: (durationMs) => pause(durationMs) };
const DEFAULT_ADDRESS: Address = { host: '127.0.0.1', port: 9094 };

/** A node that listens on all addresses is reached on its own machine's. */
function reachable({ host, port }: Address): Address {
  return isWildcardHost(host) ? { host: host.includes(':') ? '::1' : '127.0.0.1', port } : { host, port };
}

/** The variable is the node's own setting, so that a command beside a node finds it. */
function addressOf(given: Address | undefined, env: ClusterCommandLine['env']): Address {
  const text = env['STREAMLINE_HTTP_ADDR'] ?? '';
  if (given !== undefined || text === '') return reachable(given ?? DEFAULT_ADDRESS);
  const parsed = parseAddress(text, 1);
  if (parsed.ok) return reachable(parsed.address);
  throw new ClusterCommandError(ClusterExit.USAGE, `STREAMLINE_HTTP_ADDR = "${text}": ${parsed.reason}`);
}

/** `streamline cluster ...`; returns the exit code, never fails. */
export async function clusterCommand(line: ClusterCommandLine, surroundings = REAL): Promise<number> {
  const { args, env, out, note } = line;
  let exitCode: number = ClusterExit.DONE;
  let json = false;
  const run = async (options: CommonOptions, action: Action): Promise<void> => {
    json = options.json;
    const client = new AdminClient(addressOf(options.httpAddr, env));
    exitCode = await action({ client, json, timeoutMs: options.timeoutMs, out, note, ...surroundings });
  };
  const recover = async (options: RecoverOptions): Promise<void> => {
    json = options.json;
    const { recoverCluster } = await import('./recover');
    exitCode = await recoverCluster({ out, note, ask: line.ask ?? (() => Promise.resolve(undefined)) }, options);
  };
  const program = clusterProgram({ asking: run, recover });
  for (const command of [program, ...program.commands]) command.configureOutput({ writeOut: out, writeErr: note });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, json, line);
  }
}

function report(error: unknown, json: boolean, { out, note }: ClusterCommandLine): number {
  // commander has said what is wrong, or printed the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ClusterExit.DONE : ClusterExit.USAGE;
  if (!(error instanceof ClusterCommandError)) {
    note(`streamline cluster: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return ClusterExit.UNEXPECTED;
  }
  if (json) out(`${JSON.stringify({ error: error.message }, undefined, 2)}\n`);
  note(`streamline cluster: ${error.message}\n`);
  if (error.remedy !== undefined) note(`  ${error.remedy}\n`);
  return error.exitCode;
}
