import type { ClusterExit } from '@streamline/platform/config/cluster-exit';

/** Ends a subcommand with a message for the operator. */
export class ClusterCommandError extends Error {
  override readonly name = 'ClusterCommandError';

  constructor(
    readonly exitCode: ClusterExit,
    message: string,
    /** What to do about it. */
    readonly remedy?: string,
  ) {
    super(message);
  }
}
