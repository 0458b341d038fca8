import type { Versions } from './versions';

export type ScalarKind =
  'bool' | 'int8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'float64' | 'uuid' | 'string' | 'bytes' | 'records';

export type Kind = ScalarKind | 'array' | 'struct';

/** What a field may say beside its type. What is left out has Kafka's own meaning: every version, never null, untagged, the type's zero. */
export interface FieldOptions<T = unknown> {
  /** The versions that have this field. */
  readonly versions?: Versions;
  /** The versions in which null is allowed; `true` for all of the field's own. */
  readonly nullable?: true | Versions;
  /** The field is a tagged one (KIP-482) in all of its versions, under this number. */
  readonly tag?: number;
  /** The value where the field is absent. Zero, '', no bytes, [] and the zero uuid need not be said. */
  readonly default?: T | null;
  /** A version without this field drops its value silently; otherwise writing anything but the default is refused. */
  readonly ignorable?: true;
  /** `false`: keeps the non-compact form in flexible versions too (the client id of request header v2). */
  readonly compact?: false;
}

export type Fields = { readonly [name: string]: AnyField };
export type AnyField = Field<unknown, unknown, boolean>;

/**
 * One field of a message. The three types exist for the compiler alone: what reading gives, what writing takes, and
 * whether writing may leave it out.
 */
export class Field<R, W, Optional extends boolean> {
  declare readonly $read: R;
  declare readonly $write: W;
  declare readonly $optional: Optional;

  constructor(
    readonly kind: Kind,
    readonly options: FieldOptions,
    /** Set for arrays. */
    readonly element?: AnyField,
    /** Set for structs. */
    readonly fields?: Fields,
  ) {}
}

/** A tagged field that the schema does not know: kept on reading, written back on writing. */
export interface UnknownTaggedField {
  readonly tag: number;
  /** A view on the frame. */
  readonly data: Buffer;
}

export interface Tagged {
  readonly unknownTaggedFields?: readonly UnknownTaggedField[];
}

/** A struct as reading gives it: every field is there, in every version. */
export type ReadOf<F extends Fields> = { readonly [K in keyof F]: F[K]['$read'] } & Tagged;

/** A struct as writing takes it: what has a default, is tagged or is missing in some version may be left out. */
export type WriteOf<F extends Fields> = {
  readonly [K in keyof F as F[K]['$optional'] extends true ? never : K]: F[K]['$write'];
} & { readonly [K in keyof F as F[K]['$optional'] extends true ? K : never]?: F[K]['$write'] } & Tagged;

type OrNull<O, T> = O extends { readonly nullable: unknown } ? T | null : T;
type IsOptional<O> = O extends { readonly default: unknown } | { readonly versions: unknown } | { readonly tag: unknown }
  ? true
  : false;
type FieldOf<O, R, W> = Field<OrNull<O, R>, OrNull<O, W>, IsOptional<O>>;

const NO_OPTIONS = {};

type Scalar<R, W = R> = <const O extends FieldOptions<R> = object>(options?: O) => FieldOf<O, R, W>;

function scalar<R, W = R>(kind: ScalarKind): Scalar<R, W> {
  return (options) => new Field(kind, options ?? NO_OPTIONS);
}

export const bool = scalar<boolean>('bool');
export const int8 = scalar<number>('int8');
export const int16 = scalar<number>('int16');
export const uint16 = scalar<number>('uint16');
export const int32 = scalar<number>('int32');
export const uint32 = scalar<number>('uint32');
export const int64 = scalar<bigint>('int64');
export const float64 = scalar<number>('float64');
/** Kafka's text form: 22 characters of url-safe base64 without padding. */
export const uuid = scalar<string>('uuid');
/** UTF-8, at most 32767 bytes. Bytes that are no UTF-8 read as U+FFFD, as in Kafka. */
export const string = scalar<string>('string');
/** Reading gives a view on the frame: copy what outlives it. */
export const bytes = scalar<Buffer>('bytes');
/** Record batches: a view on the frame when read; written without a copy, in as many pieces as they lie in. */
export const records = scalar<Buffer, Buffer | readonly Buffer[]>('records');

export function struct<F extends Fields, const O extends FieldOptions<never> = object>(
  fields: F,
  options?: O,
): FieldOf<O, ReadOf<F>, WriteOf<F>> {
  return new Field('struct', options ?? NO_OPTIONS, undefined, fields);
}

/** An array of scalars (`array(int32())`) or of structs (`array({ name: string() })`). */
export function array<R, W, Optional extends boolean, const O extends FieldOptions<never> = object>(
  element: Field<R, W, Optional>,
  options?: O,
): FieldOf<O, readonly R[], readonly W[]>;
export function array<F extends Fields, const O extends FieldOptions<never> = object>(
  element: F,
  options?: O,
): FieldOf<O, readonly ReadOf<F>[], readonly WriteOf<F>[]>;
export function array(element: AnyField | Fields, options?: FieldOptions<never>): AnyField {
  const field = element instanceof Field ? element : new Field('struct', NO_OPTIONS, undefined, element);
  return new Field('array', options ?? NO_OPTIONS, field);
}
