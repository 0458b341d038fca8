import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { within } from './conditions';

/** The guide's addresses: node n is 192.168.1.n. */
const NETWORK = '192.168.1';
/** Where this process reaches the nodes from outside of their network: a wire to each, of the range for benchmarks (RFC 2544). */
const WIRES = '198.18';
const NODES_MAX = 60;
const COMMAND_WITHIN_MS = 60_000;
/** A MAC address that nobody has: what is sent to it goes nowhere, and nobody is told. */
const NOBODY = '02:00:00:00:de:ad';

const run = promisify(execFile);
let networksMade = 0;

function macOf(node: number): string {
  return `02:00:c0:a8:01:${node.toString(16).padStart(2, '0')}`;
}

function messageOf(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: string; readonly message?: string };
  return (stderr?.trim() || message) ?? String(error);
}

/**
 * Why no networks can be made here, for specs to skip; undefined: they can. Fails where only a package is missing, since
 * that can be mended.
 */
export async function whyNoNetworks(): Promise<string | undefined> {
  for (const tool of ['ip', 'nsenter', 'unshare', 'setpriv']) {
    const found = await run(tool, ['--version'])
      .catch(() => run(tool, ['-V']))
      .catch(() => undefined);
    if (!found) throw new Error(`'${tool}' is not installed: apt-get install -y iproute2 util-linux`);
  }
  const wire = `sl${process.pid}p`;
  try {
    await run('unshare', ['--net', '--mount', 'sh', '-c', 'ip link add br0 type bridge && mount --bind /mnt /mnt']);
    await run('ip', ['link', 'add', wire, 'type', 'veth', 'peer', 'name', `${wire}2`]);
    await run('ip', ['link', 'del', wire]);
    return undefined;
  } catch (error) {
    return `network namespaces can't be made here (root, CAP_SYS_ADMIN and CAP_NET_ADMIN are needed): ${messageOf(error)}`;
  }
}

/**
 * A network namespace that ends with this process, however that ends: nothing is named, a process that waits for the end of
 * its input holds it.
 */
class Namespace {
  private constructor(private readonly holder: ChildProcess) {}

  static async create(): Promise<Namespace> {
    const holder = spawn('unshare', ['--net', '--', 'sh', '-c', 'echo made; exec cat >/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    await within('a network namespace', once(holder.stdout, 'data'), COMMAND_WITHIN_MS);
    return new Namespace(holder);
  }

  get pid(): number {
    if (this.holder.pid === undefined) throw new Error('the namespace was not made');
    return this.holder.pid;
  }

  get entrance(): string[] {
    return ['nsenter', `--net=/proc/${this.pid}/ns/net`, '--'];
  }

  /** Runs lines as `ip -batch` does. */
  ip(lines: readonly string[]): Promise<void> {
    return ipBatch(lines, this.entrance);
  }

  async dispose(): Promise<void> {
    const ended = once(this.holder, 'exit');
    this.holder.stdin?.end();
    if (this.holder.exitCode === null && this.holder.signalCode === null) await ended;
  }
}

async function ipBatch(lines: readonly string[], entrance: readonly string[] = []): Promise<void> {
  const [file = '', ...args] = [...entrance, 'ip', '-batch', '-'];
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  // One that fails at a line reads no further; its exit code tells.
  child.stdin.on('error', () => undefined).end(`${lines.join('\n')}\n`);
  const [code] = (await within(`ip ${lines[0]}`, once(child, 'close'), COMMAND_WITHIN_MS)) as [number | null];
  if (code !== 0) throw new Error(`ip ended with ${code}: ${complaint.trim()}\n${lines.join('\n')}`);
}

/** A number for the third byte of the wires' addresses that no interface of this machine uses. */
function freeWireRange(): number {
  const taken = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  const first = (process.pid + networksMade) % 256;
  for (let step = 0; step < 256; step += 1) {
    const range = (first + step) % 256;
    if (!taken.some((address) => address.startsWith(`${WIRES}.${range}.`))) return range;
  }
  throw new Error(`all of ${WIRES}.0.0/16 is in use`);
}

/** Where a command runs beside its network. */
export interface Surroundings {
  /** Folders of the file system that the command sees in place of others: [what is there, where it sees it]. */
  readonly mounts?: readonly (readonly [from: string, at: string])[];
  /** Folders that it can't write to. */
  readonly readOnly?: readonly string[];
  /** Mount points that it does not see, so that they can be unmounted while it runs. */
  readonly hidden?: readonly string[];
  /** The user and group that it runs as; by default root. */
  readonly uid?: number;
}

/**
 * A switch with a machine for each node, as the guide has it: node n is 192.168.1.n at `eth0` and has all ports for itself.
 * Cuts are silent, as those of a switch or a firewall that drops: packets go to nobody, no connection is reset. Needs root.
 */
export class Network {
  private constructor(
    private readonly hub: Namespace,
    private readonly machines: readonly Namespace[],
    private readonly wireRange: number,
  ) {}

  static async create(nodes: number): Promise<Network> {
    if (nodes > NODES_MAX) throw new Error(`a network has at most ${NODES_MAX} nodes`);
    const [hub, ...machines] = await Promise.all(Array.from({ length: nodes + 1 }, () => Namespace.create()));
    if (!hub) throw new Error('no namespace was made');
    const network = new Network(hub, machines, freeWireRange());
    networksMade += 1;
    await network.wireUp();
    return network;
  }

  /** The address that the guide gives a node. */
  address(node: number): string {
    return `${NETWORK}.${node}`;
  }

  /** Where this process reaches a node, whatever is cut: its HTTP and Kafka listeners listen on every interface. */
  reachableAt(node: number): string {
    return `${WIRES}.${this.wireRange}.${4 * node + 2}`;
  }

  /**
   * The command line that runs `command` on the machine of a node. It replaces itself with `command`, so that signals and the
   * exit code are the command's; it dies with this process.
   */
  commandAt(
    node: number,
    command: readonly string[],
    { mounts = [], readOnly = [], hidden = [], uid }: Surroundings = {},
  ): string[] {
    const steps = [
      ...hidden.map((folder) => `umount '${folder}'`),
      ...mounts.map(([from, at]) => `mount --bind '${from}' '${at}'`),
      ...readOnly.map((folder) => `mount --bind '${folder}' '${folder}' && mount -o remount,ro,bind '${folder}'`),
      'exec "$@"',
    ];
    const user = uid === undefined ? [] : [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--no-new-privs'];
    return [
      ...this.machine(node).entrance,
      ...['unshare', '--mount', '--', 'sh', '-c', steps.join(' && '), 'sh'],
      ...['setpriv', '--pdeathsig', 'KILL', ...user, '--', ...command],
    ];
  }

  /** Nothing that `from` sends reaches `to`; the other way stays open. */
  async cutOneWay(from: number, to: number): Promise<void> {
    await this.machine(from).ip([this.neighbour(to, NOBODY)]);
  }

  /** Cuts both ways between each of these nodes and all others. */
  async cut(...nodes: number[]): Promise<void> {
    await this.eachWire((from, to) => (nodes.includes(from) !== nodes.includes(to) ? NOBODY : undefined));
  }

  /** Everybody reaches everybody again. */
  async heal(): Promise<void> {
    await this.eachWire((_from, to) => macOf(to));
  }

  /** Takes the machines away; commands that still run there lose their network with the last of them. */
  async dispose(): Promise<void> {
    await Promise.all([this.hub, ...this.machines].map((one) => one.dispose()));
  }

  private machine(node: number): Namespace {
    const machine = this.machines[node - 1];
    if (!machine) throw new Error(`the network has nodes 1 to ${this.machines.length}, not ${node}`);
    return machine;
  }

  private get nodes(): number[] {
    return this.machines.map((_machine, index) => index + 1);
  }

  private neighbour(node: number, mac: string): string {
    return `neigh replace ${this.address(node)} lladdr ${mac} dev eth0 nud permanent`;
  }

  private async eachWire(macFor: (from: number, to: number) => string | undefined): Promise<void> {
    await Promise.all(
      this.nodes.map(async (from) => {
        const others = this.nodes.filter((to) => to !== from);
        const lines = others.flatMap((to) => {
          const mac = macFor(from, to);
          return mac === undefined ? [] : [this.neighbour(to, mac)];
        });
        if (lines.length > 0) await this.machine(from).ip(lines);
      }),
    );
  }

  private async wireUp(): Promise<void> {
    await this.hub.ip([
      'link add br0 type bridge',
      'link set br0 up',
      ...this.nodes.flatMap((node) => [
        `link add p${node} type veth peer name eth0 address ${macOf(node)} netns ${this.machine(node).pid}`,
        `link set p${node} master br0 up`,
      ]),
    ]);
    const name = (node: number): string => `sl${process.pid}x${node}${String.fromCharCode(97 + (networksMade % 26))}`;
    await ipBatch(
      this.nodes.flatMap((node) => [
        `link add ${name(node)} type veth peer name wire netns ${this.machine(node).pid}`,
        `addr add ${WIRES}.${this.wireRange}.${4 * node + 1}/30 dev ${name(node)}`,
        `link set ${name(node)} up`,
      ]),
    );
    await Promise.all(
      this.nodes.map((node) =>
        this.machine(node).ip([
          'link set lo up',
          `addr add ${this.address(node)}/24 dev eth0`,
          'link set eth0 up',
          `addr add ${this.reachableAt(node)}/30 dev wire`,
          'link set wire up',
        ]),
      ),
    );
    await this.heal();
  }
}
