import { readCommandLine } from '../config/cli';
import { ExitCode } from '../config/exit-codes';
import type { RoleName } from '../config/roles';
import type { ResolvedConfig } from '../config/resolve-config';
import type { RoleService } from './hosted-role';
import { VERSION } from './version';

/** What a program has. */
export interface Program {
  /** A program with one role plays it without being told. */
  readonly roles: readonly RoleName[];
  /** Loads the services of these roles: only when a node is to be started, since that is most of the program. */
  load(): Promise<readonly RoleService[]>;
  /** `streamline cluster ...` with what stands behind; returns the exit code. Absent: this program has no such command. */
  cluster?(args: readonly string[]): Promise<number>;
}

/** The main of every service: reads the command line and runs the roles that it asks for in this process, or prints what it asks for. */
export async function runCommand(program: Program): Promise<void> {
  const [only, ...others] = program.roles;
  const roles = only !== undefined && others.length === 0 ? { STREAMLINE_ROLES: only } : {};
  try {
    const outcome = await readCommandLine({ args: process.argv.slice(2), env: { ...roles, ...process.env }, version: VERSION });
    if (outcome.kind === 'start') return await start(withFlagFor(roles, outcome.resolved), program);
    if (outcome.kind === 'cluster') {
      process.exitCode = await cluster(outcome.args, program);
      return;
    }
    const stream = outcome.exitCode === ExitCode.OK ? process.stdout : process.stderr;
    stream.write(outcome.text);
    process.exitCode = outcome.exitCode;
  } catch (error) {
    // Before a configuration there is no logger that would know how to write.
    process.stderr.write(`streamline: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = ExitCode.UNEXPECTED;
  }
}

/** What a program says by itself, whoever starts another has to say with a flag. */
function withFlagFor(roles: { readonly STREAMLINE_ROLES?: RoleName }, resolved: ResolvedConfig): ResolvedConfig {
  if (roles.STREAMLINE_ROLES === undefined || process.env['STREAMLINE_ROLES'] !== undefined) return resolved;
  if (resolved.origins.get('roles')?.kind !== 'env') return resolved;
  return { ...resolved, origins: new Map(resolved.origins).set('roles', { kind: 'flag', flag: '--roles' }) };
}

function cluster(args: readonly string[], program: Program): Promise<number> {
  if (program.cluster !== undefined) return program.cluster(args);
  process.stderr.write('streamline: this program has no command cluster; the streamline command has it (bin/streamline)\n');
  return Promise.resolve(ExitCode.USAGE);
}

/** A module that cannot be loaded (a native one without its system library) is explained like everything that fails later. */
async function start({ config, origins }: ResolvedConfig, program: Program): Promise<void> {
  try {
    const [{ runRoles }, services] = await Promise.all([import('./run-roles'), program.load()]);
    await runRoles({ config, origins }, services);
  } catch (error) {
    const { reportFailure } = await import('../lifecycle/failure');
    const { createLogger } = await import('../lifecycle/logger');
    const logger = createLogger({ level: config.logLevel, format: config.logFormat, nodeId: config.nodeId });
    const exitCode = reportFailure(logger, error, { config });
    logger.flush();
    process.exit(exitCode);
  }
}
