import { readCommandLine } from '../config/cli';
import { ExitCode } from '../config/exit-codes';
import type { RoleName } from '../config/roles';
import type { NodeConfig } from '../config/schema';
import type { RoleService } from './hosted-role';
import { VERSION } from './version';

/** What a program has. */
export interface Program {
  /** A program with one role plays it without being told. */
  readonly roles: readonly RoleName[];
  /** Loads the services of these roles: only when a node is to be started, since that is most of the program. */
  load(): Promise<readonly RoleService[]>;
}

/** The main of every service: reads the command line and runs the roles that it asks for in this process, or prints what it asks for. */
export async function runCommand(program: Program): Promise<void> {
  const [only, ...others] = program.roles;
  const roles = only !== undefined && others.length === 0 ? { STREAMLINE_ROLES: only } : {};
  try {
    const outcome = await readCommandLine({ args: process.argv.slice(2), env: { ...roles, ...process.env }, version: VERSION });
    if (outcome.kind === 'start') return await start(outcome.config, program);
    const stream = outcome.exitCode === ExitCode.OK ? process.stdout : process.stderr;
    stream.write(outcome.text);
    process.exitCode = outcome.exitCode;
  } catch (error) {
    // Before a configuration there is no logger that would know how to write.
    process.stderr.write(`streamline: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = ExitCode.UNEXPECTED;
  }
}

/** A module that cannot be loaded (a native one without its system library) is explained like everything that fails later. */
async function start(config: NodeConfig, program: Program): Promise<void> {
  try {
    const [{ runRoles }, services] = await Promise.all([import('./run-roles'), program.load()]);
    await runRoles(config, services);
  } catch (error) {
    const { reportFailure } = await import('../lifecycle/failure');
    const { createLogger } = await import('../lifecycle/logger');
    const logger = createLogger({ level: config.logLevel, format: config.logFormat, nodeId: config.nodeId });
    const exitCode = reportFailure(logger, error, { config });
    logger.flush();
    process.exit(exitCode);
  }
}
