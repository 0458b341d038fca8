import { compileReader } from '../codec/compile-reader';
import { compileWriter } from '../codec/compile-writer';
import { planStruct, type StructPlan } from '../codec/plan';
import { Reader } from '../codec/reader';
import { EncodeError, WireError } from '../codec/wire-error';
import { withWriter, type Writer } from '../codec/writer';
import type { Fields, ReadOf, Tagged, WriteOf } from './field';
import { includes, parseVersions, type VersionRange, type Versions } from './versions';

type Read<F extends Fields> = (reader: Reader) => ReadOf<F>;
type Write<F extends Fields> = (writer: Writer, value: WriteOf<F>) => void;

/** A message whose fields are not known to the compiler: what tables of messages hold. */
export interface AnyMessage {
  readonly name: string;
  readonly versions: VersionRange;
  readonly flexibleFrom: number;
  readonly fields: Fields;
  read(version: number, reader: Reader): Tagged;
  write(version: number, writer: Writer, value: Tagged): void;
  decode(version: number, buf: Buffer): Tagged;
  encode(version: number, value: Tagged): Buffer;
}

/** A message of the protocol, or a record in its format, in all of its versions. */
export class Message<F extends Fields> {
  readonly versions: VersionRange;
  /** The first flexible version (KIP-482); Infinity when there is none. */
  readonly flexibleFrom: number;
  private readonly readers: (Read<F> | undefined)[] = [];
  private readonly writers: (Write<F> | undefined)[] = [];

  /** `flexible`: `'none'` for messages that never got flexible versions. */
  constructor(
    readonly name: string,
    versions: Versions,
    flexible: Versions | 'none',
    readonly fields: F,
  ) {
    this.versions = parseVersions(versions);
    this.flexibleFrom = flexible === 'none' ? Infinity : parseVersions(flexible).min;
  }

  /**
   * Reads the message where the reader stands; bytes after it are left to the caller.
   * The first call for a version compiles its reader.
   * @throws WireError
   */
  read(version: number, reader: Reader): ReadOf<F> {
    const read = this.readers[version] ?? this.compileReader(version);
    try {
      return read(reader);
    } catch (error) {
      throw error instanceof WireError ? error.within(this.title(version)) : error;
    }
  }

  /** @throws EncodeError naming the field; the writer then has to be reset. */
  write(version: number, writer: Writer, value: WriteOf<F>): void {
    const write = this.writers[version] ?? this.compileWriter(version);
    try {
      write(writer, value);
    } catch (error) {
      throw error instanceof EncodeError ? error.within(this.title(version)) : error;
    }
  }

  /** Reads a message that fills the buffer. @throws WireError, also when bytes are left over. */
  decode(version: number, buf: Buffer): ReadOf<F> {
    const reader = new Reader(buf);
    const value = this.read(version, reader);
    reader.expectEnd();
    return value;
  }

  /** The message in one buffer of its own. @throws EncodeError */
  encode(version: number, value: WriteOf<F>): Buffer {
    return withWriter((writer) => {
      this.write(version, writer, value);
      return writer.copy();
    });
  }

  private title(version: number): string {
    return `${this.name} v${version}`;
  }

  private compileReader(version: number): Read<F> {
    const read = compileReader<ReadOf<F>>(this.title(version), this.plan(version));
    this.readers[version] = read;
    return read;
  }

  private compileWriter(version: number): Write<F> {
    const write = compileWriter<WriteOf<F>>(this.title(version), this.plan(version));
    this.writers[version] = write;
    return write;
  }

  private plan(version: number): StructPlan {
    const { min, max } = this.versions;
    if (!includes(this.versions, version)) throw new RangeError(`${this.name} has versions ${min} to ${max}, not ${version}`);
    return planStruct(this.fields, version, version >= this.flexibleFrom);
  }
}
