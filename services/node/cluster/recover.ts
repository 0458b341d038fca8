import { resolve } from 'node:path';
import type { NodeId } from '@streamline/core/types/ids';
import { ClusterExit } from '@streamline/platform/config/cluster-exit';
import { ExitCode } from '@streamline/platform/config/exit-codes';
import { ROLES } from '@streamline/platform/config/roles';
import { DataDirectory } from '@streamline/platform/lifecycle/data-directory';
import { explainStoredState } from '@streamline/platform/lifecycle/failure';
import { journalPlace } from '@streamline/platform/lifecycle/journal-place';
import { readNodeFile } from '@streamline/platform/lifecycle/node-file';
import { readRetirement } from '@streamline/platform/lifecycle/retirement-file';
import { StartupError } from '@streamline/platform/lifecycle/startup-error';
import { LogRecovery, type RecoveryFindings, RecoveryRefusedError } from '@streamline/runtime/controller/recovery';
import { NodeDisk } from '@streamline/runtime/disk/node-disk';
import { openRocksStore } from '@streamline/runtime/rocks/rocks-store';
import { NodeClock } from '@streamline/runtime/time/node-clock';
import { NodeRandom } from '@streamline/runtime/time/node-random';
import { ClusterCommandError } from './cluster-command-error';
import { printJson } from './context';

/** What of a start's failures says that the directory is not whole. */
const UNREADABLE: ReadonlySet<number> = new Set([ExitCode.DIRECTORY_UNREADABLE, ExitCode.LOG_DAMAGED, ExitCode.DISK_FAILED]);
const OTHER_WAY = 'Of several nodes that are left, recover one of which the directory is whole.';
/** Partitions that the warning names. */
const NAMED_MAX = 10;

export interface RecoverOptions {
  readonly dataDir: string;
  readonly journalDir?: string | undefined;
  readonly yes: boolean;
  readonly json: boolean;
}

export interface RecoverContext {
  out(text: string): void;
  note(text: string): void;
  /** A line that the operator types; undefined where nobody is there to type it. */
  ask(question: string): Promise<string | undefined>;
}

/** `streamline cluster recover`: offline, on the data directory of a node that is stopped. */
export async function recoverCluster(context: RecoverContext, options: RecoverOptions): Promise<ClusterExit> {
  try {
    return await withRecovery(options, (recovery) => carryOut(context, options, recovery));
  } catch (error) {
    if (error instanceof RecoveryRefusedError)
      throw refused(`nothing to recover in ${options.dataDir}: ${error.message}`, error.remedy);
    if (error instanceof StartupError && !UNREADABLE.has(error.exitCode)) throw refused(error.message, error.remedy);
    const { message, remedy } = error instanceof StartupError ? error : (explainStoredState(error) ?? {});
    if (message === undefined) throw error;
    throw new ClusterCommandError(
      ClusterExit.UNREADABLE,
      `nothing can be recovered from ${options.dataDir}: ${message}`,
      `${remedy} ${OTHER_WAY}`,
    );
  }
}

function refused(problem: string, remedy: string): ClusterCommandError {
  return new ClusterCommandError(ClusterExit.REFUSED, problem, remedy);
}

/** Opens what is in the directory, locked so that the node does not run meanwhile. */
async function withRecovery(
  { dataDir, journalDir }: RecoverOptions,
  work: (recovery: LogRecovery) => Promise<ClusterExit>,
): Promise<ClusterExit> {
  const path = resolve(dataDir);
  const file = await readNodeFile(path);
  if (file === undefined || file.clusterId === null) {
    throw refused(`${path} belongs to no cluster`, 'Name the data directory of a node that was a member with --data-dir.');
  }
  const directory = await DataDirectory.open({ path, nodeId: file.nodeId, roles: ROLES });
  try {
    const retired = await readRetirement(directory.rolePath('controller'));
    if (retired !== undefined) throw refused(retired.message, retired.remedy);
    const recovery = await LogRecovery.open({
      disk: new NodeDisk(),
      clock: new NodeClock(),
      random: new NodeRandom(),
      directory: directory.rolePath('controller'),
      journalDirectory: await journalPlace({ directory, role: 'controller', journalDir: journalDir && resolve(journalDir) }),
      nodeId: file.nodeId,
      directoryId: file.directoryId,
      clusterId: file.clusterId,
      openStore: openRocksStore,
    });
    try {
      return await work(recovery);
    } finally {
      await recovery.close();
    }
  } finally {
    await directory.close();
  }
}

async function carryOut(context: RecoverContext, options: RecoverOptions, recovery: LogRecovery): Promise<ClusterExit> {
  const { findings } = recovery;
  context.note(warning(findings));
  if (!options.yes && !(await isConfirmed(context, findings.nodeId))) {
    context.note('Nothing was changed.\n');
    return ClusterExit.REFUSED;
  }
  await recovery.carryOut();
  if (options.json) printJson(context, doneBody(findings));
  else context.out(doneText(findings));
  return ClusterExit.DONE;
}

async function isConfirmed({ ask }: RecoverContext, nodeId: NodeId): Promise<boolean> {
  const answer = await ask(`Type this node's id to do it, anything else to leave everything as it is: `);
  return answer?.trim() === String(nodeId);
}

function idsOf({ others }: RecoveryFindings): string {
  return others.map(({ nodeId }) => nodeId).join(', ');
}

function elsewhereText({ elsewhere }: RecoveryFindings): string {
  if (elsewhere === undefined) return 'unknown, since the image of the metadata is missing here';
  const { total, names } = elsewhere;
  if (total === 0) return 'none that this node knows of';
  const some = names.slice(0, NAMED_MAX).join(', ');
  return total > NAMED_MAX ? `${some} and ${total - NAMED_MAX} more` : some;
}

function warning(findings: RecoveryFindings): string {
  const { nodeId, clusterId, lastIndex, lastTerm, others } = findings;
  const addresses = others.map((other) => `  node ${other.nodeId}  ${other.isVoter ? 'voter  ' : 'learner'}  ${other.address}`);
  return `RECOVERY FROM THE LOSS OF A MAJORITY

Node ${nodeId} is to go on as cluster ${clusterId} all by itself. These are left out for ever, as they are now:

${addresses.join('\n')}

What it may cost:
- changes of topics, configurations and members that are not in this node's log, which ends at entry ${lastIndex} of term ${lastTerm}:
  others may have committed more, and some of what is in it may never have been committed;
- all records of partitions without a replica on this node: ${elsewhereText(findings)};
- records of other partitions that only the lost nodes have, acknowledged or not.

Do it only where a majority is gone for good. As long as enough of the nodes can be started again, start them: nothing is lost.
Of several that are left, recover one only: that of which the log ends last.

`;
}

function nextSteps(findings: RecoveryFindings): readonly string[] {
  const { nodeId } = findings;
  return [
    `Start node ${nodeId} with its usual command; it leads at once.`,
    `Nodes ${idsOf(findings)} join again with an empty --data-dir and node ${nodeId} as --seed-nodes; with their old directories they are refused.`,
    `For each that does not come back: streamline cluster remove <node-id> --force, which says what was lost with it.`,
  ];
}

function doneText(findings: RecoveryFindings): string {
  const steps = nextSteps(findings).map((step, index) => `${index + 1}. ${step}\n`);
  return `Node ${findings.nodeId} is the only member of cluster ${findings.clusterId} now.\n\n${steps.join('')}`;
}

function doneBody(findings: RecoveryFindings): object {
  const { nodeId, clusterId, others, lastIndex, lastTerm, elsewhere } = findings;
  return {
    node_id: nodeId,
    cluster_id: clusterId,
    left_out: others.map((other) => ({
      node_id: other.nodeId,
      raft_addr: other.address,
      role: other.isVoter ? 'voter' : 'learner',
    })),
    last_log_index: lastIndex,
    last_log_term: lastTerm,
    partitions_lost: elsewhere?.total ?? null,
    lost_partitions: elsewhere?.names ?? null,
    next: nextSteps(findings),
  };
}
