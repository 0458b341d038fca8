import { hasSpace } from '@streamline/core/log/space-policy';
import type { Clock } from '../ports/clock';
import type { Disk } from '../ports/disk';

const FRESH_FOR_MS = 1000;

/**
 * Answers whether appends have room (S-10) from a figure that is at most about a second old; asking never waits. Appends ask, so
 * writing resumes by itself once there is space again.
 */
export class SpaceGuard {
  unwrittenBytes = 0;
  private freeBytes = Number.MAX_SAFE_INTEGER;
  private askedAtMs = Number.NEGATIVE_INFINITY;
  private asking = false;

  constructor(
    private readonly disk: Disk,
    private readonly clock: Clock,
    private readonly path: string,
    private readonly marginBytes: number,
  ) {}

  allows(internal: boolean): boolean {
    if (this.clock.monotonicMs() - this.askedAtMs >= FRESH_FOR_MS && !this.asking) void this.refresh();
    return hasSpace({ freeBytes: this.freeBytes, unwrittenBytes: this.unwrittenBytes, marginBytes: this.marginBytes, internal });
  }

  /** The disk just said that it is full, whatever was measured. */
  noteFull(): void {
    this.freeBytes = 0;
    this.askedAtMs = this.clock.monotonicMs();
  }

  /** Asks the disk. Where that fails the last figure stands: the writes themselves will tell. */
  async refresh(): Promise<void> {
    this.asking = true;
    this.askedAtMs = this.clock.monotonicMs();
    try {
      this.freeBytes = (await this.disk.space(this.path)).freeBytes;
    } catch {
      this.askedAtMs = this.clock.monotonicMs();
    } finally {
      this.asking = false;
    }
  }
}
