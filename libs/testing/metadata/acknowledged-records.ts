import { expect } from 'vitest';
import { effectiveMinInsyncReplicas, effectiveTopicConfig } from '@streamline/core/metadata/topic-configs';
import type { MetadataImage, PartitionImage } from '@streamline/core/metadata/image';
import type { NodeId } from '@streamline/core/types/ids';

interface Known {
  /** Replicas that have everything that was acknowledged; undefined: nobody may have it any more, and nothing is asked. */
  holders: ReadonlySet<NodeId> | undefined;
  readonly leader: NodeId | undefined;
  /** Of the move that was under way. */
  readonly adding: readonly NodeId[];
}

/**
 * Who has all acknowledged records of each partition, told by the metadata alone and as badly as it can be: wherever the ISR is large
 * enough a record is acknowledged at once, by the ISR and nobody else; who joins an ISR has everything. No leader may be
 * elected who lacks any of it, but where unclean election is on.
 */
export class AcknowledgedRecords {
  #known = new Map<string, Known>();
  #elections = 0;

  /** Elections that were looked at. */
  get elections(): number {
    return this.#elections;
  }

  /** To be called behind every entry of the log. `uncleanAsked`: an operator has asked for unclean elections. */
  observe(image: MetadataImage, uncleanAsked = false): void {
    const known = new Map<string, Known>();
    for (const { id, name, partitions } of image.topics.values()) {
      const config = effectiveTopicConfig(image, name);
      for (const partition of partitions) {
        const key = `${id}-${partition.partition}`;
        const minimum = effectiveMinInsyncReplicas(config, partition.replicas.length);
        const holders = this.#holders(partition, this.#known.get(key), uncleanAsked || config.uncleanLeaderElectionEnable);
        known.set(key, { ...partition, adding: partition.addingReplicas, holders: acknowledged(partition, holders, minimum) });
      }
    }
    this.#known = known;
  }

  /** The broker has lost what it had of the partitions that are meant, or nobody can tell whether it has. */
  lost(node: NodeId, image: MetadataImage, isMeant: (topic: string) => boolean = () => true): void {
    for (const { id, name, partitions } of image.topics.values()) {
      if (!isMeant(name)) continue;
      for (const { partition } of partitions) this.lostOne(node, `${id}-${partition}`);
    }
  }

  /** `key`: topic id, hyphen, partition. */
  lostOne(node: NodeId, key: string): void {
    const known = this.#known.get(key);
    if (known?.holders === undefined) return;
    const holders = new Set([...known.holders].filter((each) => each !== node));
    known.holders = holders.size === 0 ? undefined : holders;
  }

  /** Who holds everything before anything more is acknowledged. */
  #holders(now: PartitionImage, before: Known | undefined, unclean: boolean): ReadonlySet<NodeId> | undefined {
    if (before === undefined) return new Set(now.isr);
    const { holders } = before;
    const { leader } = now;
    if (holders === undefined || leader === undefined || leader === before.leader) return holders;
    this.#elections++;
    if (holders.has(leader)) return holders;
    // The end of a move: the leader before has seen it join with this very entry, and is no replica any more.
    const isDropped = before.leader !== undefined && !now.replicas.includes(before.leader);
    if (isDropped && before.adding.every((each) => now.replicas.includes(each))) return holders;
    if (!unclean) {
      const all = [...holders].join(', ');
      expect.fail(`${leader} leads partition ${now.partition}, but only ${all} has all that was acknowledged`);
    }
    return undefined;
  }
}

/** Who holds everything after the ISR has acknowledged what it may. A replica that a move has dropped holds nothing any more. */
function acknowledged(
  { partition, replicas, leader, isr }: PartitionImage,
  before: ReadonlySet<NodeId> | undefined,
  minimum: number,
): ReadonlySet<NodeId> | undefined {
  if (leader !== undefined && (isr.length >= minimum || before === undefined)) return new Set(isr);
  if (before === undefined) return undefined;
  const all = leader === undefined ? [...before] : [...before, ...isr];
  const holders = new Set(all.filter((node) => replicas.includes(node)));
  if (holders.size === 0)
    expect.fail(`partition ${partition} has dropped ${all.join(', ')}, who alone had all that was acknowledged`);
  return holders;
}
