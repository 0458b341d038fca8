import type { DiskFile, FileWriter } from '../ports/disk';

/** Most bytes in one group: who comes next waits for it. */
const GROUP_BYTES_MAX = 4 << 20;
/** What a group takes at least of those that nobody waits for, however much urgent there is. */
const OTHERS_BYTES = 1 << 20;

/** What is written to a file, from one position on. */
export interface ChosenWrite {
  readonly position: number;
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
}

/** Chooses what is written, of about so many bytes at most; undefined where there is nothing any more. */
export type ChooseWrite = (bytesMax: number) => ChosenWrite | undefined;

interface Waiting {
  readonly file: DiskFile;
  readonly choose: ChooseWrite;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The writes of all partitions to their segments (LOG-8): what waits goes to the disk as one group, and while it is written the next one
 * gathers. What a write holds is chosen when its group begins, so that it has everything that was appended meanwhile.
 */
export class SegmentWrites {
  /** Somebody waits for an acknowledgement. */
  private readonly urgent: Waiting[] = [];
  private readonly others: Waiting[] = [];
  private isBusy = false;
  private whenIdle: (() => void)[] = [];

  constructor(private readonly writer: FileWriter) {}

  /** Resolves when the write has ended, or where `choose` had nothing. One at a time for each file. */
  write(file: DiskFile, isUrgent: boolean, choose: ChooseWrite): Promise<void> {
    return new Promise((resolve, reject) => {
      (isUrgent ? this.urgent : this.others).push({ file, choose, resolve, reject });
      if (this.isBusy) return;
      this.isBusy = true;
      void this.writeGroups();
    });
  }

  /** Resolves when no write is under way or waits any more. */
  async close(): Promise<void> {
    while (this.isBusy) await new Promise<void>((resolve) => this.whenIdle.push(resolve));
    await this.writer.close();
  }

  private async writeGroups(): Promise<void> {
    while (this.urgent.length > 0 || this.others.length > 0) {
      // Each group may wake a thread and answers many at once: what one turn of the event loop appends goes into one.
      await this.writer.endOfTurn();
      const isUrgent = this.urgent.length > 0;
      const group = this.gather();
      if (group.length > 0) await this.writeGroup(group, isUrgent);
    }
    this.isBusy = false;
    const waiting = this.whenIdle;
    this.whenIdle = [];
    for (const resolve of waiting) resolve();
  }

  private gather(): (Waiting & ChosenWrite)[] {
    const group: (Waiting & ChosenWrite)[] = [];
    const roomBytes = GROUP_BYTES_MAX - take(this.urgent, GROUP_BYTES_MAX, group);
    take(this.others, Math.max(roomBytes, OTHERS_BYTES), group);
    return group;
  }

  private async writeGroup(group: readonly (Waiting & ChosenWrite)[], isUrgent: boolean): Promise<void> {
    try {
      const errors = await this.writer.write(group, isUrgent);
      for (const [at, { resolve, reject }] of group.entries()) {
        const error = errors[at];
        if (error === undefined) resolve();
        else reject(error);
      }
    } catch (error) {
      for (const { reject } of group) reject(error instanceof Error ? error : new Error(String(error)));
    }
  }
}

/** Takes writes from the front of a queue into a group, of about so many bytes; returns how many it took. */
function take(queue: Waiting[], bytesMax: number, group: (Waiting & ChosenWrite)[]): number {
  let bytes = 0;
  while (bytes < bytesMax) {
    const waiting = queue.shift();
    if (waiting === undefined) break;
    const chosen = choiceOf(waiting, bytesMax - bytes);
    if (chosen === undefined) continue;
    group.push({ ...waiting, ...chosen });
    bytes += chosen.bytes;
  }
  return bytes;
}

/** Undefined where there was nothing to choose; then its promise is settled. */
function choiceOf(waiting: Waiting, bytesMax: number): ChosenWrite | undefined {
  try {
    const chosen = waiting.choose(bytesMax);
    if (chosen === undefined) waiting.resolve();
    return chosen;
  } catch (error) {
    waiting.reject(error instanceof Error ? error : new Error(String(error)));
    return undefined;
  }
}
