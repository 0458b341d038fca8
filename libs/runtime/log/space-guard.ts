import { hasSpace } from '@streamline/core/log/space-policy';
import type { Cancel, Clock } from '../ports/clock';
import type { Disk } from '../ports/disk';

const FRESH_FOR_MS = 1000;
/** A disk that was full is asked so often whether it still is. */
const LOOK_AGAIN_MS = 1000;

/**
 * Answers whether appends have room (S-10) from a figure that is at most about a second old, less what was written since; asking
 * never waits. Appends ask, so writing resumes by itself once there is space again.
 */
export class SpaceGuard {
  private unwritten = 0;
  /** What has left `unwrittenBytes` so far: into segments, or (which errs on the safe side) away with its partition. */
  private writtenBytes = 0;
  private freeBytes = Number.MAX_SAFE_INTEGER;
  /** `writtenBytes` when the free bytes were asked for: a fast disk takes many times the margin within a second. */
  private writtenWhenAsked = 0;
  private askedAtMs = Number.NEGATIVE_INFINITY;
  private asking = false;
  private cancelLook: Cancel | undefined;

  /** @param onRoom a write failed as the disk was full, and there is room again */
  constructor(
    private readonly disk: Disk,
    private readonly clock: Clock,
    private readonly path: string,
    private readonly marginBytes: number,
    private readonly onRoom: () => void,
  ) {}

  get unwrittenBytes(): number {
    return this.unwritten;
  }

  set unwrittenBytes(bytes: number) {
    this.writtenBytes += Math.max(0, this.unwritten - bytes);
    this.unwritten = bytes;
  }

  allows(internal: boolean): boolean {
    if (this.clock.monotonicMs() - this.askedAtMs >= FRESH_FOR_MS && !this.asking) void this.refresh();
    const freeBytes = this.freeBytes - (this.writtenBytes - this.writtenWhenAsked);
    return hasSpace({ freeBytes, unwrittenBytes: this.unwritten, marginBytes: this.marginBytes, internal });
  }

  /** The disk just said that it is full, whatever was measured. What could not be written waits for `onRoom`. */
  noteFull(): void {
    this.freeBytes = 0;
    this.askedAtMs = this.clock.monotonicMs();
    this.lookAgain();
  }

  /** Looks no more. */
  close(): void {
    this.cancelLook?.();
  }

  private lookAgain(): void {
    this.cancelLook ??= this.clock.schedule(LOOK_AGAIN_MS, () => {
      this.cancelLook = undefined;
      // What waits is counted as unwritten already.
      if (this.allows(true)) this.onRoom();
      else this.lookAgain();
    });
  }

  /** Asks the disk. Where that fails the last figure stands: the writes themselves will tell. */
  async refresh(): Promise<void> {
    this.asking = true;
    this.askedAtMs = this.clock.monotonicMs();
    const { writtenBytes } = this;
    try {
      this.freeBytes = (await this.disk.space(this.path)).freeBytes;
      this.writtenWhenAsked = writtenBytes;
    } catch {
      this.askedAtMs = this.clock.monotonicMs();
    } finally {
      this.asking = false;
    }
  }
}
