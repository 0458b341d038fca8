import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { LocalNode } from './local-node';
import { planNodes } from './node-plan';
import { observe, type ClusterView } from './observe';
import { parseOptions, USAGE, UsageError, type Options } from './options';
import { changesOf, endText, tableOf } from './view-text';

const REFRESH_MS = 1_000;
/** ^C under npm comes twice: from the terminal, and passed on by npm. */
const SAME_SIGNAL_MS = 400;
/** Of a terminal that does not say how wide it is. */
const DEFAULT_COLUMNS = 80;
const [STOPPED, FAILED, WRONG_USAGE] = [0, 1, 2];

/** `root` is the clone's top folder. Returns the exit code: 0 where all nodes stopped as they should. */
export async function main(args: readonly string[], root: string): Promise<number> {
  try {
    const options = parseOptions(args, root);
    if (options === 'help') {
      console.log(USAGE);
      return STOPPED;
    }
    return await run(options, root);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`cluster: ${error.message}\n\n${USAGE}`);
    return WRONG_USAGE;
  }
}

async function run(options: Options, root: string): Promise<number> {
  const directory = options.dataDir ?? (await mkdtemp(path.join(tmpdir(), 'streamline-cluster-')));
  await mkdir(directory, { recursive: true });
  const streamline = path.join(root, 'bin/streamline');
  const nodes = planNodes(options, directory).map((plan) => new LocalNode(plan, streamline));
  // However this process ends: a node that still runs then would hold its ports and its directory.
  process.once('exit', () => nodes.forEach((node) => node.kill()));
  // A terminal that was closed takes no more output; the nodes are stopped nevertheless.
  process.stdout.on('error', () => undefined);
  const stopping = stopOnSignal();
  const view = await watch(nodes, directory, stopping);
  if (!stopping.aborted) console.log('all nodes have ended');
  const clean = await stopInOrder(nodes, view);
  if (options.dataDir === undefined && clean) await rm(directory, { recursive: true, force: true });
  else console.log(`data and logs: ${directory}`);
  return clean ? STOPPED : FAILED;
}

/** Aborted by the first signal; the second ends this process at once, and the nodes with it. */
function stopOnSignal(): AbortSignal {
  const stopping = new AbortController();
  let first: { readonly signal: NodeJS.Signals; readonly atMs: number } | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (first?.signal === signal && performance.now() - first.atMs < SAME_SIGNAL_MS) return;
      if (first) process.exit(128 + constants.signals[signal]);
      first = { signal, atMs: performance.now() };
      stopping.abort();
    });
  }
  return stopping.signal;
}

/** Shows the cluster until it is to stop or nothing of it is left; returns what was seen last. */
async function watch(nodes: readonly LocalNode[], directory: string, stopping: AbortSignal): Promise<ClusterView> {
  const isTerminal = process.stdout.isTTY;
  let shown: ClusterView | undefined;
  let rows = 0;
  for (;;) {
    const view = await observe(nodes);
    if (isTerminal) {
      const table = tableOf(view, directory);
      // Back to where the last one began, which is then overwritten.
      process.stdout.write(`${rows > 0 ? `\x1b[${rows}A` : ''}\x1b[J${table}\n`);
      rows = rowsOf(table, process.stdout.columns);
    } else {
      for (const line of changesOf(shown, view)) console.log(line);
    }
    shown = view;
    if (stopping.aborted || nodes.every(({ end }) => end)) return view;
    await pause(REFRESH_MS, undefined, { signal: stopping }).catch(() => undefined);
  }
}

/** How many rows of a terminal a text takes. */
function rowsOf(text: string, columns: number | undefined): number {
  return text.split('\n').reduce((rows, line) => rows + Math.max(1, Math.ceil(line.length / (columns || DEFAULT_COLUMNS))), 0);
}

/** Followers first, so that one leader serves as long as there is a majority. Whether all that ran ended with 0. */
async function stopInOrder(nodes: readonly LocalNode[], { members }: ClusterView): Promise<boolean> {
  const leads = ({ plan }: LocalNode): number => (plan.id === members?.leader_id ? 1 : 0);
  const order = nodes.toSorted((one, other) => leads(one) - leads(other) || other.plan.id - one.plan.id);
  let clean = true;
  for (const node of order) {
    if (node.end === undefined) {
      const begin = performance.now();
      const end = await node.stop();
      if (end)
        console.log(`node ${node.plan.id}: stopped with ${endText(end)} after ${Math.round(performance.now() - begin)} ms`);
    }
    clean &&= node.end?.code === 0;
  }
  return clean;
}
