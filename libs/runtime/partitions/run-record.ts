import type { BrokerEpoch } from '@streamline/core/types/ids';
import type { Disk } from '../ports/disk';

const FILE_NAME = 'run-record';
const FORMAT = 1;
const MAX_BYTES = 4096;

/** What the last run of this role left behind. */
export interface PreviousRun {
  /** The broker epoch of the last run if it stopped cleanly; `undefined` after a crash, and on a new disk. */
  readonly cleanBrokerEpoch: BrokerEpoch | undefined;
  /** The machine was not restarted since, so that what was written then is in the page cache or on disk (P-2). */
  readonly sameBoot: boolean;
}

/**
 * A small file that tells how the last run ended: P-2's clean marker. It is durably `running` before anything is
 * written, and `clean` only after the engine has closed. A file that cannot be read counts as a crash before a reboot.
 */
export class RunRecord {
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    /** Changes with each start of the machine, such as /proc/sys/kernel/random/boot_id. */
    private readonly bootId: string,
  ) {}

  /** Reads what was left, and marks this run as going on. */
  async begin(): Promise<PreviousRun> {
    const previous = await this.read();
    await this.write(undefined);
    return previous;
  }

  /** Marks this run as stopped cleanly. */
  async endCleanly(brokerEpoch: BrokerEpoch): Promise<void> {
    await this.write(brokerEpoch);
  }

  private async read(): Promise<PreviousRun> {
    const path = `${this.directory}/${FILE_NAME}`;
    if (!(await this.disk.exists(path))) return { cleanBrokerEpoch: undefined, sameBoot: false };
    const file = await this.disk.open(path, 'read');
    try {
      const bytes = Buffer.alloc(Math.min(await file.size(), MAX_BYTES));
      await file.read(0, bytes);
      const content = parse(bytes.toString('utf8'));
      return { cleanBrokerEpoch: content?.cleanBrokerEpoch, sameBoot: content?.bootId === this.bootId };
    } finally {
      await file.close();
    }
  }

  private async write(cleanBrokerEpoch: BrokerEpoch | undefined): Promise<void> {
    const path = `${this.directory}/${FILE_NAME}`;
    const draft = `${path}.new`;
    if (await this.disk.exists(draft)) await this.disk.unlink(draft);
    const file = await this.disk.open(draft, 'create');
    try {
      const text = JSON.stringify({ format: FORMAT, bootId: this.bootId, cleanBrokerEpoch: cleanBrokerEpoch ?? null });
      await file.write(0, [Buffer.from(`${text}\n`)]);
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.disk.rename(draft, path);
    await this.disk.syncDirectory(this.directory);
  }
}

function parse(text: string): { bootId: string; cleanBrokerEpoch: BrokerEpoch | undefined } | undefined {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof content !== 'object' || content === null) return undefined;
  if (!('format' in content) || content.format !== FORMAT || !('bootId' in content) || typeof content.bootId !== 'string')
    return undefined;
  const epoch = 'cleanBrokerEpoch' in content ? content.cleanBrokerEpoch : undefined;
  const isEpoch = typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch >= 0;
  return { bootId: content.bootId, cleanBrokerEpoch: isEpoch ? (epoch as BrokerEpoch) : undefined };
}
