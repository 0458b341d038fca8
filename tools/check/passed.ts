import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Some ten trees: this one, others that share its node_modules, and what they were a while ago. */
const KEPT_MAX = 30_000;

/** Fingerprints of files that were found to be fine. They name contents, so that several trees may share the record. */
export class Passed {
  private constructor(
    private readonly file: string,
    private readonly known: Set<string>,
  ) {}

  /** A record that is not there, or cannot be read, is empty. */
  static async load(file: string): Promise<Passed> {
    try {
      const lines = await readFile(file, 'utf8');
      return new Passed(file, new Set(lines.split('\n').filter((line) => line !== '')));
    } catch {
      return new Passed(file, new Set());
    }
  }

  has(fingerprint: string): boolean {
    return this.known.has(fingerprint);
  }

  /** These are fine as well; the oldest go where there are too many. */
  async add(fingerprints: Iterable<string>): Promise<void> {
    for (const each of fingerprints) {
      this.known.delete(each);
      this.known.add(each);
    }
    await mkdir(path.dirname(this.file), { recursive: true });
    const part = `${this.file}.${process.pid}`;
    await writeFile(part, [...this.known].slice(-KEPT_MAX).join('\n'));
    await rename(part, this.file);
  }
}
