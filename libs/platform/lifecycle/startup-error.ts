import type { ExitCode } from '../config/exit-codes';

/** Why a node cannot start, with what to do about it, and the exit code that says so to scripts (docs/exit-codes.md). */
export class StartupError extends Error {
  override readonly name = 'StartupError';

  constructor(
    readonly exitCode: ExitCode,
    message: string,
    /** The next step for an operator: a sentence, or a command. */
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
