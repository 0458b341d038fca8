import type { ClusterId, DirectoryId } from '@streamline/core/types/ids';
import { StoreMedium } from '@streamline/testing/controller/memory-store';
import type { EventQueue } from '@streamline/testing/raft/event-queue';
import { ShippedDisk } from '@streamline/testing/raft/shipped-disk';
import type { SeededRandom } from '@streamline/testing/time/seeded-random';
import type { ClusterCounters } from './counters';

/** What a node keeps: its disk, the store of its image on it, and what its file says of it. */
export class Directory {
  readonly id: DirectoryId;
  readonly disk: ShippedDisk;
  readonly medium = new StoreMedium();
  /** Of the node's file; undefined until it is part of a cluster. */
  clusterId: ClusterId | undefined;
  /** Of the last clean stop; -1 after any other end. */
  cleanBrokerEpoch = -1;
  /** The machine was not restarted since. */
  sameBoot = true;

  constructor(
    private readonly random: SeededRandom,
    counters: ClusterCounters,
    events: EventQueue,
  ) {
    this.id = random.bytes(16).toString('base64url') as DirectoryId;
    this.disk = new ShippedDisk(random.fork(), counters, events);
  }

  crash(how: 'kill' | 'power'): void {
    const { medium } = this;
    this.disk.crash(how);
    if (how === 'power') {
      this.sameBoot = false;
      medium.crash(this.random.integer(0, medium.unflushed.length));
    } else if (medium.open !== undefined) medium.open.dead = true;
  }
}
