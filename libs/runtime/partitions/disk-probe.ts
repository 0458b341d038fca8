import type { Clock } from '../ports/clock';
import type { Disk, DiskFile } from '../ports/disk';

const FILE_NAME = 'disk-probe';
const PROBE_BYTES = 8;
/** Results younger than this are given again: readiness is asked often, and a sync costs a disk something. */
const MIN_INTERVAL_MS = 1_000;

export interface ProbeResult {
  readonly ok: boolean;
  /** Why not, for an operator. */
  readonly reason: string;
}

/** Finds out whether the disk of the logs takes writes, by writing and syncing a few bytes. */
export class DiskProbe {
  private file: DiskFile | undefined;
  private running: Promise<ProbeResult> | undefined;
  private startedMs = 0;
  private last: { readonly result: ProbeResult; readonly atMs: number } | undefined;

  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly clock: Clock,
  ) {}

  /** How long the probe that is under way has been waiting for the disk; 0 when none is. */
  get stalledMs(): number {
    return this.running === undefined ? 0 : this.clock.monotonicMs() - this.startedMs;
  }

  /** Looks, at most once a second; one look at a time. */
  check(): Promise<ProbeResult> {
    if (this.running !== undefined) return this.running;
    const nowMs = this.clock.monotonicMs();
    if (this.last !== undefined && nowMs - this.last.atMs < MIN_INTERVAL_MS) return Promise.resolve(this.last.result);
    this.startedMs = nowMs;
    this.running = this.probe().then((result) => {
      this.running = undefined;
      this.last = { result, atMs: this.clock.monotonicMs() };
      return result;
    });
    return this.running;
  }

  async close(): Promise<void> {
    await this.running;
    await this.file?.close();
    this.file = undefined;
  }

  private async probe(): Promise<ProbeResult> {
    try {
      this.file ??= await this.open();
      const stamp = Buffer.alloc(PROBE_BYTES);
      stamp.writeDoubleBE(this.clock.wallMs(), 0);
      await this.file.write(0, [stamp]);
      await this.file.datasync();
      return { ok: true, reason: '' };
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { ok: false, reason: `${this.directory} does not take writes: ${message}` };
    }
  }

  private async open(): Promise<DiskFile> {
    const path = `${this.directory}/${FILE_NAME}`;
    return this.disk.open(path, (await this.disk.exists(path)) ? 'write' : 'create');
  }
}
