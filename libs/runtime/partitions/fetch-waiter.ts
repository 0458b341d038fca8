import type { Cancel, Clock } from '../ports/clock';
import type { FetchWait, HostedPartition } from './hosted-partition';

/**
 * One wait of one fetch: ends when enough bytes may have come, when something about a partition changed, when its time
 * is over, or when nobody wants the answer any more.
 */
export class FetchWaiter implements FetchWait {
  private readonly baselineBytes: number;
  /** Bytes that were appended but not committed when the wait began are in the baseline, so it says nothing then. */
  private readonly isBaselineExact: boolean;
  private stop: Cancel | undefined;
  private resolve: (() => void) | undefined;

  /** @param missingBytes what must come before it is worth reading again. */
  constructor(
    private readonly clock: Clock,
    private readonly partitions: readonly HostedPartition[],
    private readonly missingBytes: number,
  ) {
    this.baselineBytes = this.logBytes();
    this.isBaselineExact = partitions.every((partition) => partition.highWatermark >= partition.log.logEndOffset);
  }

  /** At most one call. */
  wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const onAbort = () => this.end();
    signal?.addEventListener('abort', onAbort, { once: true });
    for (const partition of this.partitions) partition.fetchWaits.add(this);
    this.stop = this.clock.schedule(timeoutMs, () => this.end());
    return new Promise((resolve) => {
      this.resolve = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
    });
  }

  /** One byte is what most consumers wait for: anything that is committed is enough. */
  progress(): void {
    if (this.missingBytes <= 1 || !this.isBaselineExact || this.logBytes() - this.baselineBytes >= this.missingBytes) this.end();
  }

  changed(): void {
    this.end();
  }

  end(): void {
    const { resolve } = this;
    if (resolve === undefined) return;
    this.resolve = undefined;
    this.stop?.();
    for (const partition of this.partitions) partition.fetchWaits.delete(this);
    resolve();
  }

  private logBytes(): number {
    let bytes = 0;
    for (const partition of this.partitions) bytes += partition.log.sizeBytes;
    return bytes;
  }
}
