import { Reader } from '../codec/reader';
import { WireError } from '../codec/wire-error';
import type { Fields, ReadOf, WriteOf } from '../schema/field';
import { Message, type AnyMessage } from '../schema/message';
import { decodeVersioned, encodePrefixed, encodeVersioned } from '../schema/versioned';
import type { Versions } from '../schema/versions';

export interface CoordinatorRecordDefinition<Key extends Fields, Value extends Fields> {
  readonly type: number;
  readonly name: string;
  readonly key: Key;
  readonly valueVersions: Versions;
  readonly flexible: Versions | 'none';
  readonly value: Value;
}

/**
 * One type of record in a coordinator's log. On disk a key is the type (int16) and the key's fields, a value its version
 * (int16) and the value's fields. A record without a value is a tombstone.
 */
export class CoordinatorRecord<Key extends Fields, Value extends Fields> {
  readonly type: number;
  readonly name: string;
  readonly key: Message<Key>;
  readonly value: Message<Value>;

  constructor(definition: CoordinatorRecordDefinition<Key, Value>) {
    this.type = definition.type;
    this.name = definition.name;
    this.key = new Message(`${definition.name}Key`, '0', 'none', definition.key);
    this.value = new Message(`${definition.name}Value`, definition.valueVersions, definition.flexible, definition.value);
  }

  /** @throws EncodeError */
  encodeKey(key: WriteOf<Key>): Buffer {
    return encodePrefixed(this.key, this.type, 0, key);
  }

  /** @throws EncodeError, also for a field that the version lacks */
  encodeValue(version: number, value: WriteOf<Value>): Buffer {
    return encodeVersioned(this.value, version, value);
  }

  /** Reads a key of this type (see `recordTypeOf`). @throws WireError */
  decodeKey(buf: Buffer): ReadOf<Key> {
    const reader = new Reader(buf);
    const type = reader.int16();
    if (type !== this.type) throw new WireError('invalid', `record of type ${type}, but ${this.name} has ${this.type}`, 0);
    const key = this.key.read(0, reader);
    reader.expectEnd();
    return key;
  }

  /** @throws WireError, also for a version that is too new */
  decodeValue(buf: Buffer): ReadOf<Value> {
    return decodeVersioned(this.value, buf);
  }
}

export function coordinatorRecord<Key extends Fields, Value extends Fields>(
  definition: CoordinatorRecordDefinition<Key, Value>,
): CoordinatorRecord<Key, Value> {
  return new CoordinatorRecord(definition);
}

/** The type of the record that has this key; a type that the log's table lacks is one of a later Kafka, to be skipped. @throws WireError */
export function recordTypeOf(key: Buffer): number {
  return new Reader(key).int16();
}

/** A type of record whose fields are not known to the compiler: what tables hold. */
export interface AnyCoordinatorRecord {
  readonly type: number;
  readonly name: string;
  readonly key: AnyMessage;
  readonly value: AnyMessage;
}

export function recordTable(records: readonly AnyCoordinatorRecord[]): ReadonlyMap<number, AnyCoordinatorRecord> {
  return new Map(records.map((record) => [record.type, record]));
}

type FieldsOf<M> = M extends Message<infer F> ? F : never;

/** The key of a record as it is read. */
export type KeyOf<R extends { readonly key: unknown }> = ReadOf<FieldsOf<R['key']>>;
/** The value of a record as it is read. */
export type ValueOf<R extends { readonly value: unknown }> = ReadOf<FieldsOf<R['value']>>;
