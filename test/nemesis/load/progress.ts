import { eventually } from '../../kit/conditions';

/** Gaps from here on are told one by one. */
const GAP_TOLD_FROM_MS = 1_000;

/** A time without an acknowledged write in one partition. */
export interface Gap {
  readonly partition: number;
  /** ISO 8601, as in the logs of nodes and clients. */
  readonly from: string;
  readonly lastedMs: number;
}

/** When writes were acknowledged, by partition. */
export class Progress {
  private readonly lastMs = new Map<number, number>();
  private readonly counts = new Map<number, number>();
  /** Those of a second and more, over all phases. */
  readonly gaps: Gap[] = [];
  /** The longest time without an acknowledged write in one partition, since the last `beginPhase`. */
  private longest = 0;

  constructor(private readonly partitions: number) {}

  acknowledged(partition: number): void {
    const nowMs = performance.now();
    const lastMs = this.lastMs.get(partition) ?? nowMs;
    this.longest = Math.max(this.longest, nowMs - lastMs);
    if (nowMs - lastMs >= GAP_TOLD_FROM_MS) this.gaps.push(gapOf(partition, nowMs - lastMs));
    this.lastMs.set(partition, nowMs);
    this.counts.set(partition, this.countOf(partition) + 1);
  }

  countOf(partition: number): number {
    return this.counts.get(partition) ?? 0;
  }

  /** Gaps are counted from here. */
  beginPhase(): void {
    this.longest = 0;
    const nowMs = performance.now();
    for (let partition = 0; partition < this.partitions; partition += 1) this.lastMs.set(partition, nowMs);
  }

  /** The longest gap of the phase in any partition, those that last included. */
  get longestGapMs(): number {
    const nowMs = performance.now();
    return Math.max(this.longest, ...[...this.lastMs.values()].map((lastMs) => nowMs - lastMs));
  }

  /** Resolves when so many more writes of each of these partitions were acknowledged. */
  async more(writes: number, partitions: readonly number[], withinMs: number): Promise<void> {
    const targets = partitions.map((partition) => [partition, this.countOf(partition) + writes] as const);
    const behind = (): string[] => targets.filter(([at, count]) => this.countOf(at) < count).map(([at]) => String(at));
    try {
      await eventually(`${writes} more writes`, () => behind().length === 0, withinMs);
    } catch (error) {
      throw new Error(`partitions ${behind().join(', ')} acknowledged too few of ${writes} writes within ${withinMs} ms`, {
        cause: error,
      });
    }
  }
}

function gapOf(partition: number, lastedMs: number): Gap {
  return { partition, from: new Date(Date.now() - lastedMs).toISOString(), lastedMs: Math.round(lastedMs) };
}
