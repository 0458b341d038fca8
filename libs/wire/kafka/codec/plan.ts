import type { AnyField, Fields, Kind } from '../schema/field';
import { EVERY_VERSION, includes, parseVersions, type VersionRange } from '../schema/versions';

/** A schema with one version put in: what is left to decide is nothing, so that the generators only print. */
export interface StructPlan {
  /** In schema order; those that this version lacks are there too, for their defaults. */
  readonly fields: readonly FieldPlan[];
  readonly flexible: boolean;
}

export interface TypePlan {
  readonly kind: Kind;
  readonly nullable: boolean;
  readonly compact: boolean;
  /** Set for arrays. */
  readonly element?: TypePlan;
  /** Set for structs. */
  readonly struct?: StructPlan;
}

export interface FieldPlan {
  readonly name: string;
  readonly type: TypePlan;
  readonly present: boolean;
  readonly tag: number | undefined;
  readonly ignorable: boolean;
  /** `undefined`: the type's own zero. */
  readonly default: unknown;
}

export function planStruct(fields: Fields, version: number, flexible: boolean): StructPlan {
  const planned = Object.entries(fields).map(([name, field]) => planField(name, field, version, flexible));
  return { fields: planned, flexible };
}

function planField(name: string, field: AnyField, version: number, flexible: boolean): FieldPlan {
  const { options } = field;
  const present = includes(rangeOf(options.versions), version);
  if (present && options.tag !== undefined && !flexible)
    throw new RangeError(`field '${name}' is tagged, but version ${version} is not flexible`);
  return {
    name,
    type: planType(field, version, flexible),
    present,
    tag: options.tag,
    ignorable: options.ignorable === true,
    default: options.default,
  };
}

function planType(field: AnyField, version: number, flexible: boolean): TypePlan {
  const { nullable, compact } = field.options;
  return {
    kind: field.kind,
    nullable: nullable === true || (nullable !== undefined && includes(parseVersions(nullable), version)),
    compact: flexible && compact !== false,
    ...(field.element === undefined ? {} : { element: planType(field.element, version, flexible) }),
    ...(field.fields === undefined ? {} : { struct: planStruct(field.fields, version, flexible) }),
  };
}

function rangeOf(versions: AnyField['options']['versions']): VersionRange {
  return versions === undefined ? EVERY_VERSION : parseVersions(versions);
}

const FIXED_BYTES: { readonly [K in Kind]?: number } = {
  bool: 1,
  int8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  float64: 8,
  uuid: 16,
};

/** The size of a type whose values all take the same number of bytes. */
export function fixedBytes(type: TypePlan): number | undefined {
  return FIXED_BYTES[type.kind];
}

/** The least number of bytes that a value takes on the wire. */
export function leastBytes(type: TypePlan): number {
  const fixed = fixedBytes(type);
  if (fixed !== undefined) return fixed;
  if (type.kind === 'struct') return type.nullable ? 1 : leastStructBytes(type.struct);
  if (type.compact) return 1;
  return type.kind === 'string' ? 2 : 4;
}

function leastStructBytes(struct: StructPlan | undefined): number {
  let size = struct?.flexible === true ? 1 : 0;
  for (const field of struct?.fields ?? []) if (field.present && field.tag === undefined) size += leastBytes(field.type);
  return size;
}

/** Fields on the wire one after the other, and tagged ones by ascending tag. */
export function splitFields(plan: StructPlan): { plain: readonly FieldPlan[]; tagged: readonly FieldPlan[] } {
  const present = plan.fields.filter((field) => field.present);
  return {
    plain: present.filter((field) => field.tag === undefined),
    tagged: present.filter((field) => field.tag !== undefined).sort((a, b) => (a.tag ?? 0) - (b.tag ?? 0)),
  };
}

/** Cuts fields into runs of fixed size, each claimed with one bounds check, and single fields of variable size. */
export function runsOf(fields: readonly FieldPlan[]): readonly (readonly FieldPlan[])[] {
  const runs: FieldPlan[][] = [];
  let open: FieldPlan[] | undefined;
  for (const field of fields) {
    const fixed = fixedBytes(field.type) !== undefined;
    if (fixed && open !== undefined) open.push(field);
    else runs.push((open = [field]));
    if (!fixed) open = undefined;
  }
  return runs;
}
