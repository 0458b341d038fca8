import { ExitCode } from './exit-codes';

/** Exit codes of `streamline cluster`; scripts may rely on them (docs/cli.md and docs/exit-codes.md are made from here). */
export const ClusterExit = {
  DONE: ExitCode.OK,
  UNEXPECTED: ExitCode.UNEXPECTED,
  USAGE: ExitCode.USAGE,
  UNREACHABLE: 20,
  NOT_HEALTHY: 21,
  REFUSED: 22,
  FAILED: 23,
  UNREADABLE: 24,
} as const;

export type ClusterExit = (typeof ClusterExit)[keyof typeof ClusterExit];

/** What each means, in the order of docs/cli.md. */
export const CLUSTER_EXIT_DOCS: Readonly<Record<keyof typeof ClusterExit, string>> = {
  DONE: 'Done; for `status`: the node is healthy.',
  UNEXPECTED: 'An error that nobody foresaw.',
  USAGE: 'The command line is wrong; nothing was asked.',
  UNREACHABLE: 'No node answers at --http-addr.',
  NOT_HEALTHY: '`status` only: the node answers and is not healthy; the reason is printed.',
  REFUSED: 'The cluster refused, or `recover` was not confirmed, and nothing has changed; the reason says what would be right.',
  FAILED: 'It failed or is not finished: see `streamline cluster members`, then repeat the command, which does no harm.',
  UNREADABLE:
    '`recover` only: what is in --data-dir is damaged, of a newer version or on a disk that fails, so that this node cannot be recovered. The message names the file; nothing was changed.',
};
