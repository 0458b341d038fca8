import { crc32c } from '@node-rs/crc32';
import type { Disk } from '../ports/disk';
import { ByteReader } from './byte-reader';
import { ByteWriter } from './byte-writer';

const FILE_NAME = 'incarnation';
const NEXT_FILE_NAME = 'incarnation.next';
const MAGIC = 0x53_4d_49_4e;
const FORMAT_VERSION = 1;

/** What a process leaves behind for the next one (P-2). */
export interface Incarnation {
  /** True: stopped cleanly, nothing was written since. */
  readonly clean: boolean;
  /** The boot of the machine that it ran on. */
  readonly bootId: string;
  /** The broker epoch it ran under, -1 where it had none. */
  readonly brokerEpoch: number;
}

/** Undefined where there is none, or it cannot be read: then nothing is known, which counts as unclean. */
export async function readIncarnation(disk: Disk, directory: string): Promise<Incarnation | undefined> {
  const path = `${directory}/${FILE_NAME}`;
  if (!(await disk.exists(path))) return undefined;
  const file = await disk.open(path, 'read');
  try {
    const content = Buffer.alloc(await file.size());
    await file.read(0, content);
    const body = content.subarray(4);
    if (content.length < 12 || content.readUInt32BE(0) !== crc32c(body)) return undefined;
    const reader = new ByteReader(body);
    if (reader.u32() !== MAGIC || reader.u8() !== FORMAT_VERSION) return undefined;
    return { clean: reader.u8() === 1, brokerEpoch: reader.i64(), bootId: reader.text() };
  } finally {
    await file.close();
  }
}

/** Replaces the marker durably. Written with `clean: false` before anything else is (P-2). */
export async function writeIncarnation(disk: Disk, directory: string, incarnation: Incarnation): Promise<void> {
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u8(FORMAT_VERSION);
  writer.u8(incarnation.clean ? 1 : 0);
  writer.i64(incarnation.brokerEpoch);
  writer.text(incarnation.bootId);
  const body = writer.finish();
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32c(body), 0);
  const next = `${directory}/${NEXT_FILE_NAME}`;
  if (await disk.exists(next)) await disk.unlink(next);
  const file = await disk.open(next, 'create');
  try {
    await file.write(0, [crc, body]);
    await file.datasync();
  } finally {
    await file.close();
  }
  await disk.rename(next, `${directory}/${FILE_NAME}`);
  await disk.syncDirectory(directory);
}
