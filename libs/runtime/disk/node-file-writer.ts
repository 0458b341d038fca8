import type { FileWrite, FileWriter } from '@streamline/runtime/ports/disk';
import { InlineGate } from './inline-gate';
import { NodeFile } from './node-file';
import { WriteThread } from './write-thread';
import type { WriteResults } from './write-thread';

/** Largest group that the event loop writes itself: measured, see docs/adr/0013. */
export const INLINE_BYTES_MAX = 1 << 20;

interface AskedWrite extends FileWrite {
  readonly file: NodeFile;
}

/**
 * Groups of writes. Small ones that somebody waits for are written at once: that is a copy into the page cache, and takes less than to wake
 * a thread and to be woken by it (docs/adr/0013). All others go to a thread of its own, which is started by the first of them, so that a
 * role that writes nothing has none. Where the thread dies the group fails as a whole, as if a disk had failed, and the next one gets
 * another thread.
 */
export class NodeFileWriter implements FileWriter {
  private readonly gate = new InlineGate(INLINE_BYTES_MAX);
  private thread: WriteThread | undefined;
  private isWriting = false;
  private isClosed = false;

  /** @param monotonicMs tells the time, to see how long a group took */
  constructor(private readonly monotonicMs: () => number = () => performance.now()) {}

  endOfTurn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  async write(group: readonly FileWrite[], isUrgent: boolean): Promise<WriteResults> {
    if (this.isWriting || this.isClosed) throw new Error(this.isClosed ? 'the writer is closed' : 'a group is in flight already');
    const asked = group.map(({ file, position, chunks }) => ({ file: nodeFile(file), position, chunks }));
    if (!isUrgent) return this.writeOnThread(asked);
    const startedMs = this.monotonicMs();
    if (!this.gate.allows(bytesOf(asked), startedMs)) return this.writeOnThread(asked);
    const results = asked.map(writeInline);
    this.gate.ended(startedMs, this.monotonicMs());
    return results;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.thread?.close();
  }

  private async writeOnThread(asked: readonly AskedWrite[]): Promise<WriteResults> {
    this.thread ??= new WriteThread('segments');
    this.isWriting = true;
    const writes = asked.map(({ file, position, chunks }) => ({
      descriptor: file.beginThreadWrite(),
      position,
      chunks,
      needsSync: false,
    }));
    try {
      return await this.thread.write(writes);
    } catch (error) {
      this.thread = undefined;
      throw error;
    } finally {
      for (const { file } of asked) file.endThreadWrite();
      this.isWriting = false;
    }
  }
}

/** Each write fails by itself, as on the thread. */
function writeInline({ file, position, chunks }: AskedWrite): Error | undefined {
  try {
    file.writeSync(position, chunks);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function bytesOf(group: readonly FileWrite[]): number {
  let bytes = 0;
  for (const { chunks } of group) for (const chunk of chunks) bytes += chunk.length;
  return bytes;
}

function nodeFile(file: unknown): NodeFile {
  if (file instanceof NodeFile) return file;
  throw new TypeError('only files of the same disk can be written in a group');
}
