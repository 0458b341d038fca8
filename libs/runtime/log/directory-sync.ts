import type { Disk } from '../ports/disk';

/** A directory whose names are made durable when asked; askers that come while a sync runs share the next one. */
export class DirectorySync {
  private changes = 0;
  private syncedChanges = 0;
  private running: Promise<void> | undefined;

  constructor(
    private readonly disk: Disk,
    readonly path: string,
  ) {}

  /** A name was added or removed. */
  changed(): void {
    this.changes += 1;
  }

  /** Resolves when all changes so far are durable. */
  async sync(): Promise<void> {
    const wanted = this.changes;
    while (this.syncedChanges < wanted) {
      this.running ??= this.syncNow().finally(() => (this.running = undefined));
      await this.running;
    }
  }

  private async syncNow(): Promise<void> {
    const covered = this.changes;
    await this.disk.syncDirectory(this.path);
    this.syncedChanges = Math.max(this.syncedChanges, covered);
  }
}
