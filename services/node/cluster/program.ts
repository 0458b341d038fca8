import { type Address, isWildcardHost, parseAddress } from '@streamline/platform/config/address';
import { Command, InvalidArgumentError } from 'commander';
import type { ClusterExit } from '@streamline/platform/config/cluster-exit';
import type { ClusterContext } from './context';
import type { RecoverOptions } from './recover';

/** Options that every subcommand takes. */
export interface CommonOptions {
  readonly httpAddr: Address | undefined;
  readonly json: boolean;
  readonly timeoutMs: number;
}

export type Action = (context: ClusterContext) => Promise<ClusterExit>;

/** Runs a subcommand. */
export interface Runs {
  /** Makes the context of one that asks a node. */
  asking(options: CommonOptions, action: Action): Promise<void>;
  recover(options: RecoverOptions): Promise<void>;
}

const NODE_ID_MAX = 2 ** 31 - 1;
const TIMEOUT_MS_MAX = 86_400_000;
const SHOW_TIMEOUT_MS = 5_000;
const CHANGE_TIMEOUT_MS = 60_000;

function wholeNumber(text: string, max: number): number {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > max) throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`);
  return value;
}

const nodeId = (text: string): number => wholeNumber(text, NODE_ID_MAX);
const timeout = (text: string): number => wholeNumber(text, TIMEOUT_MS_MAX);

function address(text: string): Address {
  const parsed = parseAddress(text, 1);
  if (!parsed.ok) throw new InvalidArgumentError(`It must be HOST:PORT: ${parsed.reason}.`);
  return parsed.address;
}

/** Where a peer is reached, which is nowhere if that is where it listens on all of its addresses. */
function peerAddress(text: string): Address {
  const found = address(text);
  if (!isWildcardHost(found.host)) return found;
  throw new InvalidArgumentError('It must be where other nodes reach the node, not what it binds to.');
}

/** The options that all have, behind those that a subcommand has itself. */
function withCommonOptions(command: Command, timeoutMs: number): Command {
  return command
    .option(
      '--http-addr <host:port>',
      'HTTP API of any node of the cluster (default: STREAMLINE_HTTP_ADDR, else 127.0.0.1:9094)',
      address,
    )
    .option('--json', 'print the answer of the HTTP API', false)
    .option('--timeout-ms <ms>', 'the longest that the command takes', timeout, timeoutMs);
}

const ABOUT = `
Any node may be asked: it has the leader do what only the leader can.
docs/cli.md has the exit codes and examples.
`;

const ABOUT_RECOVER = `
It says what may be lost, and changes nothing before it is confirmed. It works on the directory itself and asks no
node; the others must never come back with the directories they had, and are refused if they do.
`;

/** `streamline cluster ...`. What it prints goes through `configureOutput`; nothing is done before `parseAsync`. */
export function clusterProgram({ asking: run, recover }: Runs): Command {
  const program = new Command('streamline cluster')
    .description('Shows the cluster that a node belongs to, and changes who takes part in it.')
    .helpCommand(false)
    .exitOverride()
    .showHelpAfterError('streamline cluster --help lists the commands, and --help behind one of them what it takes.')
    .addHelpText('after', ABOUT);
  const add = (usage: string, description: string, timeoutMs: number): Command => {
    const command = program.command(usage).description(description).copyInheritedSettings(program);
    return withCommonOptions(command, timeoutMs);
  };

  add('status', 'how a node is and how it sees the cluster; exits with 0 only if it is healthy', SHOW_TIMEOUT_MS).action(
    (options: CommonOptions) => run(options, async (context) => (await import('./show')).showStatus(context)),
  );
  add('members', 'who takes part, who leads, and where each is reached', SHOW_TIMEOUT_MS).action((options: CommonOptions) =>
    run(options, async (context) => (await import('./show')).showMembers(context)),
  );
  add('add', 'add a node that waits for it (--bootstrap never), as a voter', CHANGE_TIMEOUT_MS)
    .argument('<node-id>', 'what it was started with as --cluster-node-id', nodeId)
    .argument('<inter-broker-addr>', 'where the other nodes reach it, HOST:PORT (port 9093 by default)', peerAddress)
    .option('--learner', 'it gets the metadata but no vote, and stays so', false)
    .action((id: number, at: Address, options: CommonOptions & { readonly learner: boolean }) =>
      run(options, async (context) => (await import('./change')).addMember(context, id, at, options.learner)),
    );
  add('remove', 'remove a member; what it leads and holds is moved away first', CHANGE_TIMEOUT_MS)
    .argument('<node-id>', 'who is to go; not the leader (transfer leadership first)', nodeId)
    .option('--force', 'also if replicas are lost by it: for a node that is gone for good', false)
    .action((id: number, options: CommonOptions & { readonly force: boolean }) =>
      run(options, async (context) => (await import('./change')).removeMember(context, id, options.force)),
    );
  add('transfer', 'hand leadership to another voter', CHANGE_TIMEOUT_MS)
    .argument('[node-id]', 'who is to lead; without it the voter whose log is furthest', nodeId)
    .action((id: number | undefined, options: CommonOptions) =>
      run(options, async (context) => (await import('./change')).transferLeadership(context, id)),
    );
  program
    .command('recover')
    .copyInheritedSettings(program)
    .description('let one node go on without all the others, after a majority was lost for good')
    .requiredOption('--data-dir <path>', 'of the node that goes on; it must be stopped')
    .option('--journal-dir <path>', 'as the node is started with it')
    .option('--yes', 'do it without asking for the node id', false)
    .option('--json', 'print what was done as JSON', false)
    .addHelpText('after', ABOUT_RECOVER)
    .action((options: RecoverOptions) => recover(options));
  return program;
}
