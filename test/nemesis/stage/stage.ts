import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Cluster, GUIDE_PORTS } from '../../kit/cluster';
import type { ClusterNode } from '../../kit/cluster-node';
import { Network, type Surroundings } from '../../kit/netns';
import type { Load } from '../load/load';
import type { Gap } from '../load/progress';
import { Disk } from './disks';

const DISK_BYTES = 1024 ** 3;
/** Where a node finds its own directory, or disk. */
const NODE_DIRECTORY = '/var/lib';
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const FORMS_WITHIN_MS = 60_000;
/** Entries of the metadata log between snapshots, and how many are kept behind one: few, so that snapshots are a matter of course. */
export const SNAPSHOT_INTERVAL = 40;
const KEPT_ENTRIES = 20;

export interface StageOptions {
  /** Voters. */
  readonly nodes: number;
  /** More nodes that can be started; they have the next ids. */
  readonly spares: number;
  /** Each node has a disk of its own that can fail. */
  readonly hasDisks: boolean;
}

/** Real nodes on machines and disks of their own, with clients that reach all of them whatever is cut between them. */
export class Stage {
  private readonly disks = new Map<number, Disk>();
  /** What a scenario saw of its faults. */
  readonly evidence: string[] = [];
  private playing: Load | undefined;

  private constructor(
    readonly network: Network,
    readonly cluster: Cluster,
    private readonly options: StageOptions,
  ) {}

  /** The voters form one cluster when it resolves. */
  static async create(options: StageOptions): Promise<Stage> {
    const all = options.nodes + options.spares;
    const network = await Network.create(all);
    const ids = Array.from({ length: all }, (_, index) => index + 1);
    let stage: Stage | undefined = undefined;
    const cluster = await Cluster.inNetwork({
      network,
      commands: ids.map((id) => commandOf(network, id, options.nodes)),
      surroundings: (id, directory) => (stage as Stage | undefined)?.surroundings(id, directory) ?? {},
      dataDirOf: (directory) => path.join(directory, ...(options.hasDisks ? ['disk'] : []), 'data'),
    });
    stage = new Stage(network, cluster, options);
    try {
      for (const node of cluster.nodes) await stage.equip(node);
      await cluster.start(...stage.voters);
      await cluster.formed(stage.voters, FORMS_WITHIN_MS);
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  get voters(): number[] {
    return Array.from({ length: this.options.nodes }, (_, index) => index + 1);
  }

  /** Ids of nodes that are not part of the cluster at first. */
  get spares(): number[] {
    return Array.from({ length: this.options.spares }, (_, index) => this.options.nodes + index + 1);
  }

  /** Where clients may begin, whoever runs. */
  get bootstrap(): string[] {
    return this.voters.map((id) => this.cluster.node(id).kafka);
  }

  /** What runs on this stage. */
  get load(): Load {
    if (this.playing === undefined) throw new Error('nothing writes yet');
    return this.playing;
  }

  set load(load: Load) {
    this.playing = load;
  }

  /** Writes that clients know of. */
  get acknowledged(): number {
    return this.playing?.history.acknowledgedCount ?? 0;
  }

  /** When partitions acknowledged nothing for a second and more. */
  get gaps(): readonly Gap[] {
    return this.playing?.progress.gaps ?? [];
  }

  /** What clients see, to read after a failure. */
  async describeLoad(): Promise<string> {
    return (await this.playing?.describe()) ?? 'nothing was written yet';
  }

  /** A fault was really there. */
  saw(what: string): void {
    this.evidence.push(what);
  }

  disk(id: number): Disk {
    const disk = this.disks.get(id);
    if (disk === undefined) throw new Error(`node ${id} has no disk of its own`);
    return disk;
  }

  /** All of these, by default all voters, are one healthy cluster again. */
  async whole(ids: readonly number[] = this.voters): Promise<void> {
    await this.cluster.formed(ids, FORMS_WITHIN_MS);
  }

  /** A voter that leads the consensus, or one that does not. */
  leader(): Promise<ClusterNode> {
    return this.cluster.leader();
  }

  async follower(): Promise<ClusterNode> {
    const followers = await this.cluster.followers();
    const chosen = followers[Math.floor(Math.random() * followers.length)];
    if (chosen === undefined) throw new Error('no follower runs');
    return chosen;
  }

  /** The machine was off: what identifies its boot is another. */
  async newBoot(node: ClusterNode): Promise<void> {
    await writeFile(path.join(node.plan.directory, 'boot_id'), `${randomUUID()}\n`);
  }

  /** Ends everything, clients first. */
  async close(): Promise<void> {
    await this.playing?.close();
    await this.dispose();
  }

  private async dispose(): Promise<void> {
    await Promise.all(this.cluster.nodes.map((node) => node.dispose()));
    for (const disk of this.disks.values()) await disk.dispose();
    await this.cluster.remove();
    await this.network.dispose();
  }

  private async equip(node: ClusterNode): Promise<void> {
    await this.newBoot(node);
    if (this.options.hasDisks) this.disks.set(node.id, await Disk.create(node.plan.directory, DISK_BYTES));
  }

  private surroundings(id: number, directory: string): Surroundings {
    const own = this.disks.get(id);
    return {
      // So that a disk is free when its node has ended.
      hidden: [...this.disks].filter(([other]) => other !== id).map(([, disk]) => disk.mountPoint),
      mounts: [
        [path.join(directory, 'boot_id'), BOOT_ID],
        [own?.mountPoint ?? directory, NODE_DIRECTORY],
      ],
    };
  }
}

/** Every node is started alike: with all voters as seeds, so that any of them may come back with an empty disk. */
function commandOf(network: Network, id: number, voters: number): string[] {
  const seeds = Array.from({ length: voters }, (_, index) => `${network.address(index + 1)}:${GUIDE_PORTS.interBroker}`);
  return [
    ...['--cluster-node-id', String(id), '--data-dir', `${NODE_DIRECTORY}/data`, '--seed-nodes', seeds.join(',')],
    ...['--snapshot-interval-logs', String(SNAPSHOT_INTERVAL), '--max-logs-in-snapshot', String(KEPT_ENTRIES)],
    ...['--purge-batch-size', String(KEPT_ENTRIES)],
    ...['--listen-addr', `0.0.0.0:${GUIDE_PORTS.kafka}`, '--http-addr', `0.0.0.0:${GUIDE_PORTS.http}`],
    ...['--advertised-addr', `${network.reachableAt(id)}:${GUIDE_PORTS.kafka}`],
    ...['--inter-broker-addr', `0.0.0.0:${GUIDE_PORTS.interBroker}`],
    ...['--advertised-inter-broker-addr', `${network.address(id)}:${GUIDE_PORTS.interBroker}`],
  ];
}
