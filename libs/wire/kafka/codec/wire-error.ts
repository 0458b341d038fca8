/** What kind of fault the bytes have. */
export type WireErrorCode =
  /** The bytes end before the value does, or a length reaches beyond them. */
  | 'truncated'
  /** A value that the protocol does not allow: a null, a length, a varint that is too long. */
  | 'invalid'
  /** More elements than a reader allows (see `ReaderLimits`). */
  | 'limit'
  /** Bytes are left after the message. */
  | 'trailing';

/** An error that learns on its way up where in the message it arose. */
abstract class LocatedError extends Error {
  /** The field, from the message inwards: `topicData[0].partitionData[2].records`. Empty for the message itself. */
  path = '';
  /** `ProduceRequest v9`. */
  messageName = '';
  private readonly fault: string;

  constructor(fault: string) {
    super(fault);
    this.fault = fault;
  }

  /** Names the field, or the element of it when `index` is not negative, in which the error arose. */
  locate(name: string, index: number): this {
    const segment = index < 0 ? name : `${name}[${index}]`;
    this.path = this.path === '' ? segment : `${segment}.${this.path}`;
    return this.describe();
  }

  within(messageName: string): this {
    this.messageName = messageName;
    return this.describe();
  }

  private describe(): this {
    const where = [this.messageName, this.path].filter((part) => part !== '').join(' ');
    this.message = where === '' ? this.fault : `${where}: ${this.fault}`;
    return this;
  }
}

/** Bytes that are no valid message. */
export class WireError extends LocatedError {
  override readonly name = 'WireError';

  constructor(
    readonly code: WireErrorCode,
    fault: string,
    /** Where in the reader's buffer the value that could not be read begins. */
    readonly offset: number,
    /** For `truncated`: how many bytes there were from `offset` on. */
    readonly available = 0,
  ) {
    super(`${fault} (offset ${offset})`);
  }
}

/** A value that cannot be written: out of range, null where none is allowed, or a field that the version lacks. A mistake of the caller. */
export class EncodeError extends LocatedError {
  override readonly name = 'EncodeError';
}
