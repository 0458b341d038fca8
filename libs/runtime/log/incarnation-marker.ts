import { crc32c } from '@node-rs/crc32';
import type { Disk, DiskFile } from '../ports/disk';
import { ByteReader } from './byte-reader';
import { ByteWriter } from './byte-writer';

const FILE_NAME = 'incarnation';
const NEXT_FILE_NAME = 'incarnation.next';
const MAGIC = 0x53_4d_49_4e;
/** 1: the marker is the whole file. 2: the file has two slots, written in turn. */
const FORMAT_VERSION = 2;
/** A slot is a physical sector of its own, so that writing one does not tear the other. */
const SLOT_BYTES = 4096;
const SLOTS = 2;

/** What a process leaves behind for the next one (P-2). */
export interface Incarnation {
  /** True: stopped cleanly, nothing was written since. */
  readonly clean: boolean;
  /**
   * The boot of the machine on which the last process ran that had told the controller what became of the page cache before it (P-2): one
   * that ends before it is registered leaves that to the next.
   */
  readonly bootId: string;
  /** The broker epoch it ran under, -1 where it had none. */
  readonly brokerEpoch: number;
}

/** What a process says of itself in the marker, from before anything else is written to its end. */
export class IncarnationKeeper {
  private writing: Promise<void> = Promise.resolve();
  private bootId: string;

  /** @param before what the process before it left behind */
  constructor(
    private readonly disk: Disk,
    private readonly directory: string,
    private readonly ownBootId: string,
    private readonly before: Incarnation | undefined,
  ) {
    // A process that was registered and stopped cleanly has left nothing in the page cache.
    const isSettled = before === undefined || (before.clean && before.brokerEpoch >= 0);
    this.bootId = isSettled ? ownBootId : before.bootId;
  }

  begin(): Promise<void> {
    return this.write(false, this.before?.brokerEpoch ?? -1);
  }

  /** The controller has been told how the process before ended: from now on this one counts. */
  registered(): void {
    if (this.bootId === this.ownBootId) return;
    this.bootId = this.ownBootId;
    // Where it fails the next start takes the page cache for lost, and the replicas catch up.
    this.begin().catch(() => undefined);
  }

  stopped(brokerEpoch: number): Promise<void> {
    return this.write(true, brokerEpoch);
  }

  private write(clean: boolean, brokerEpoch: number): Promise<void> {
    const { disk, directory, bootId } = this;
    const written = this.writing.then(() => writeIncarnation(disk, directory, { clean, bootId, brokerEpoch }));
    this.writing = written.catch(() => undefined);
    return written;
  }
}

interface Slot extends Incarnation {
  readonly sequence: number;
}

/** Undefined where there is none, or it cannot be read: then nothing is known. */
export async function readIncarnation(disk: Disk, directory: string): Promise<Incarnation | undefined> {
  const path = `${directory}/${FILE_NAME}`;
  if (!(await disk.exists(path))) return undefined;
  const content = await contentOf(disk, path);
  const slot = newest(content);
  if (slot === undefined) return decodeVersion1(content);
  return { clean: slot.clean, bootId: slot.bootId, brokerEpoch: slot.brokerEpoch };
}

/**
 * Replaces the marker durably. Written with `clean: false` before anything else is (P-2). A marker that is there is written
 * in place, over the older of its slots: that takes no space, so that a full disk does not keep a node from starting.
 */
export async function writeIncarnation(disk: Disk, directory: string, incarnation: Incarnation): Promise<void> {
  const path = `${directory}/${FILE_NAME}`;
  const before = (await disk.exists(path)) ? newest(await contentOf(disk, path)) : undefined;
  if (before === undefined) return makeFile(disk, directory, incarnation);
  const sequence = before.sequence + 1;
  const file = await disk.open(path, 'write');
  try {
    await writeDurably(file, (sequence % SLOTS) * SLOT_BYTES, encodeSlot({ ...incarnation, sequence }));
  } finally {
    await file.close();
  }
}

/** Makes the file with both slots, so that neither needs space later. */
async function makeFile(disk: Disk, directory: string, incarnation: Incarnation): Promise<void> {
  const next = `${directory}/${NEXT_FILE_NAME}`;
  if (await disk.exists(next)) await disk.unlink(next);
  const file = await disk.open(next, 'create');
  try {
    const content = Buffer.alloc(SLOTS * SLOT_BYTES);
    encodeSlot({ ...incarnation, sequence: 0 }).copy(content);
    await writeDurably(file, 0, content);
  } finally {
    await file.close();
  }
  await disk.rename(next, `${directory}/${FILE_NAME}`);
  await disk.syncDirectory(directory);
}

async function writeDurably(file: DiskFile, position: number, bytes: Buffer): Promise<void> {
  await file.write(position, [bytes]);
  await file.datasync();
}

async function contentOf(disk: Disk, path: string): Promise<Buffer> {
  const file = await disk.open(path, 'read');
  try {
    const content = Buffer.alloc(await file.size());
    await file.read(0, content);
    return content;
  } finally {
    await file.close();
  }
}

function newest(content: Buffer): Slot | undefined {
  if (content.length !== SLOTS * SLOT_BYTES) return undefined;
  let found: Slot | undefined;
  for (let at = 0; at < content.length; at += SLOT_BYTES) {
    const slot = decodeSlot(content.subarray(at, at + SLOT_BYTES));
    if (slot !== undefined && (found === undefined || slot.sequence > found.sequence)) found = slot;
  }
  return found;
}

/** crc u32 over all after it; magic u32, version u8, sequence i64, clean u8, broker epoch i64, boot id text; the rest is zero. */
function encodeSlot({ sequence, clean, brokerEpoch, bootId }: Slot): Buffer {
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u8(FORMAT_VERSION);
  writer.i64(sequence);
  writer.u8(clean ? 1 : 0);
  writer.i64(brokerEpoch);
  writer.text(bootId);
  const body = writer.finish();
  if (body.length > SLOT_BYTES - 4) throw new RangeError(`a marker of ${body.length} bytes does not fit`);
  const slot = Buffer.alloc(SLOT_BYTES);
  body.copy(slot, 4);
  slot.writeUInt32BE(crc32c(slot.subarray(4)), 0);
  return slot;
}

function decodeSlot(slot: Buffer): Slot | undefined {
  if (slot.readUInt32BE(0) !== crc32c(slot.subarray(4))) return undefined;
  const reader = new ByteReader(slot.subarray(4));
  if (reader.u32() !== MAGIC || reader.u8() !== FORMAT_VERSION) return undefined;
  return { sequence: reader.i64(), clean: reader.u8() === 1, brokerEpoch: reader.i64(), bootId: reader.text() };
}

/** crc u32 over all after it; magic u32, version u8, clean u8, broker epoch i64, boot id text. */
function decodeVersion1(content: Buffer): Incarnation | undefined {
  const body = content.subarray(4);
  if (content.length < 12 || content.readUInt32BE(0) !== crc32c(body)) return undefined;
  const reader = new ByteReader(body);
  if (reader.u32() !== MAGIC || reader.u8() !== 1) return undefined;
  return { clean: reader.u8() === 1, brokerEpoch: reader.i64(), bootId: reader.text() };
}
